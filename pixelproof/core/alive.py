"""No process is left behind: a stage ends when DVC, which started it, has ended, and a worker when its stage has.

Nobody tells a process that its parent was killed, so it looks: that works on every system, and also where a shell
stands between the two, as it does between DVC and a stage. (Linux can send a signal at the end of the direct parent.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import psutil

from pixelproof.core.times import STAGE

RANK = "RANK"  # set for each process of a distributed training by the one that starts them
SYSTEM = {"systemd", "init", "launchd"}
SECONDS = 0.5  # between two looks
PAUSE = 0.1
SECONDS_TO_END = 30  # for a training to save where it is


def follow_starter(environ: Mapping[str, str] = os.environ, names: Sequence[str] = (STAGE, RANK)) -> None:
    """End this process and its children soon after the process that started it, or one in between, has ended.

    For a stage that is DVC, or the training that shares its work among several processes. A stage that a person typed
    goes on without its shell, which `nohup` may want.

    Args:
        environ: the variables of this process.
        names: variables that a starter sets; the first of them that is set tells who it is.
    """
    given = next((name for name in names if name in environ), None)
    if given is None:
        return
    processes = starters(given, environ[given])
    if processes and adopts(processes[-1]):
        end_all()
    watch(processes, end_all)


def follow(pid: int) -> None:
    """End this process and its children soon after another has ended.

    Args:
        pid: the other's number, such as that of the parent.
    """
    try:
        watch([psutil.Process(pid)], end_tree)
    except psutil.NoSuchProcess:
        end_tree()


def follow_parent() -> None:
    """In a worker of a process pool: end at once when the process that started it has ended."""
    if parent := multiprocessing.parent_process():

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, name="parent", daemon=True).start()


def starters(variable: str, value: str) -> list[psutil.Process]:
    """The parents of this process, from its own up to the one that set an environment variable.

    Args:
        variable: the variable, which this process has.
        value: its value here.

    Returns:
        The processes; the last is the system's own, which takes children whose parent has ended, if that has happened.
    """
    found = []
    for parent in psutil.Process().parents():
        found.append(parent)
        with suppress(psutil.Error, OSError):
            if parent.environ().get(variable) == value:
                continue
        break
    return found


def watch(processes: Sequence[psutil.Process], end: Callable[[], None]) -> None:
    """Call a function, in a thread of its own, once one of the processes has ended.

    Args:
        processes: the processes.
        end: what ends this one.
    """

    def look() -> None:
        while all(map(alive, processes)):
            time.sleep(SECONDS)
        end()

    threading.Thread(target=look, name="alive", daemon=True).start()


def alive(process: psutil.Process) -> bool:
    """Whether a process has not ended; one whose parent has not asked yet how it ended has."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def adopts(process: psutil.Process) -> bool:
    """Whether it is the system's process that takes children whose parent has ended; in a container DVC may be that."""
    try:
        first = process.pid == 1 or process.name() in SYSTEM
        return first and os.getpgid(process.pid) != os.getpgid(0)
    except (psutil.Error, OSError):
        return False


def end_all() -> None:
    """End this process by SIGTERM, on which a training saves; what is left of it and its children then by SIGKILL.

    Its children are not told before: a training needs more of its loader's batches before it can save.
    """
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    _each(psutil.Process.kill, psutil.Process().children(recursive=True))
    os.kill(os.getpid(), signal.SIGKILL)


def end_tree() -> None:
    """End what this process has started, by SIGTERM and then by SIGKILL, and then this process.

    A program of others, such as DVC, would leave its children. How they ended is left for it to ask: it would take a
    child that somebody else has asked for one that did well.
    """
    family = psutil.Process().children(recursive=True)
    _each(psutil.Process.terminate, family)
    until = time.monotonic() + SECONDS_TO_END
    while any(map(alive, family)) and time.monotonic() < until:
        time.sleep(PAUSE)
    _each(psutil.Process.kill, family)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    os.kill(os.getpid(), signal.SIGKILL)


def _each(call: Callable[[psutil.Process], None], processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            call(process)
