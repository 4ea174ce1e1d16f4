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
from typing import Any

import psutil

from pixelproof.core.times import STAGE

RANK = "RANK"  # set for each process of a distributed training by the one that starts them
SECONDS = 0.5  # between two looks
SECONDS_TO_END = 30  # for a training to save where it is


def follow_starter(environ: Mapping[str, str] = os.environ) -> None:
    """End this process and its children soon after the process that started the stage has ended.

    That is DVC, or the training that shares its work among several processes. A stage that a person typed goes on
    without its shell, which `nohup` may want.

    Args:
        environ: the variables of this process.
    """
    given = next((name for name in (STAGE, RANK) if name in environ), None)
    if given is not None:
        watch(starters(given, environ[given]), end_all)


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
    """
    found = []
    for parent in psutil.Process().parents():
        found.append(parent)
        with suppress(psutil.Error, OSError):
            if parent.environ().get(variable) == value:
                continue
        break
    return found


def watch(parents: Sequence[psutil.Process], ended: Callable[[], Any]) -> None:
    """Call a function, in a thread of its own, once one of the processes has ended.

    Args:
        parents: this process's parent, the parent of that, and so on, as far as they matter.
        ended: what to call.
    """

    def look() -> None:
        # Whoever loses a parent has another at once.
        while os.getppid() == parents[0].pid and all(map(_is_child, parents, parents[1:])):
            time.sleep(SECONDS)
        ended()

    if parents:
        threading.Thread(target=look, name="parent", daemon=True).start()


def _is_child(process: psutil.Process, parent: psutil.Process) -> bool:
    try:
        return bool(process.ppid() == parent.pid)
    except psutil.Error:
        return False


def end_all() -> None:
    """End this process by SIGTERM, on which a training saves; what is left of it and its children then by SIGKILL."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            one.kill()
    os.kill(os.getpid(), signal.SIGKILL)
