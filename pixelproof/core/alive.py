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
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from pixelproof.core.times import STAGE

RANK = "RANK"  # set for each process of a distributed training by the one that starts them
SYSTEM = {"systemd", "init", "launchd"}
SECONDS = 0.5  # between two looks
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
    watch(processes)


def follow(pid: int) -> None:
    """End this process and its children soon after another has ended.

    Args:
        pid: the other's number, such as that of the parent.
    """
    try:
        watch([psutil.Process(pid)])
    except psutil.NoSuchProcess:
        end_all()


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


def watch(processes: Sequence[psutil.Process]) -> None:
    """End this process and its children, from a thread of its own, once one of these has ended.

    Args:
        processes: the processes.
    """

    def look() -> None:
        while all(map(alive, processes)):
            time.sleep(SECONDS)
        end_all()

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
    """End this process by SIGTERM, on which a training saves; what is left of it and its children then by SIGKILL."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            one.kill()
    os.kill(os.getpid(), signal.SIGKILL)
