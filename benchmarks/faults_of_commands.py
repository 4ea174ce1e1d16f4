"""Kills of a command that a person typed, for faults.py."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.faults_toy import TARGET, Toy, wait_until, words
from pixelproof.core.alive import alive

SECONDS_TO_END = 60  # after which a process is said to be left


@dataclass(frozen=True)
class Kind:
    """A command, and which of its processes are killed."""

    title: str
    command: Sequence[str]
    victims: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """One kill: what, when, in which state of the run, and what came of it."""

    victim: str
    moment: float  # seconds after the start
    state: str
    same: bool
    orphans: int
    gone_s: float  # until all that the command had started, and was not killed, had ended
    slots: int = 0
    next_s: float | None = None  # until a run that is asked for afterwards began
    said: str = ""


def kill_command(place: Toy, kind: Kind, draw: random.Random) -> Trial:
    """Run it from nothing, kill, give the same command again at once, and compare."""
    place.reset()
    victim, moment = draw.choice(kind.victims), draw.uniform(0, place.seconds)
    command = [*kind.command, TARGET]
    with (place.clone.parent / "log").open("wb") as log:
        first = psutil.Popen(
            command, cwd=place.clone, env=place.environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    with suppress(psutil.TimeoutExpired):
        first.wait(moment)
    family = [first, *descendants(first)]
    state = at_work(family)
    count = kill([process for process in family if is_victim(process, victim, first.pid)])
    if not count:  # between two stages; two at once would be refused, as they should
        victim = f"{victim} (none, so all)"
        kill(family)
    began = time.monotonic()
    threading.Thread(target=first.wait, daemon=True).start()  # so that it does not stay a zombie
    rest: list[float] = []
    watching = threading.Thread(target=lambda: rest.append(gone_after(family, began)))
    watching.start()
    if victim in ("stage", "dvc"):  # the command itself lives, does what it still can, and ends with an error
        wait_until(lambda: not alive(first))
    again = subprocess.run(
        command, cwd=place.clone, env=place.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watching.join()
    same = again.returncode == 0 and place.digests() == place.written
    said = "" if again.returncode == 0 else again.stdout.strip().splitlines()[-1][:200]
    return Trial(victim, moment, state, same, len(place.processes()), rest[0], said=said)


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """All that a process has started."""
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def at_work(family: Sequence[psutil.Process]) -> str:
    """The stage that runs, in a word."""
    found = [words(process).partition("-m stages.")[2].split(" ")[0] for process in family]
    return next((name for name in found if name), "-")


def is_victim(process: psutil.Process, victim: str, first: int) -> bool:
    """Whether a process is of the kind to be killed."""
    said = words(process)
    if victim == "all":
        return True
    if victim == "stage":
        return "-m stages." in said
    if victim == "dvc":
        return " dvc " in said and "stages." not in said
    return process.pid == first


def kill(processes: Sequence[psutil.Process]) -> int:
    """Kill processes at once; how many there were."""
    count = 0
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
            count += 1
    return count


def gone_after(family: Sequence[psutil.Process], began: float) -> float:
    """The seconds until all of the processes have ended; those that do not are left."""
    wait_until(lambda: not any(map(alive, family)), SECONDS_TO_END)
    return time.monotonic() - began
