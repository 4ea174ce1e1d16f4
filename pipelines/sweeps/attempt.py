"""`python -m pipelines.sweeps.attempt FOLDER PARENT [--data X.dvc ...] [TARGET ...]`: one attempt at a point.

Runs DVC in the point's worktree and notes how long that took. It ends DVC and its stages when the sweep has ended, even
if that was killed: nothing is left at work that nobody waits for.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipelines.place import NOT_THE_TREES
from pipelines.processes import SECONDS_TO_END, Command, running

SECONDS = 0.2  # between two looks at the parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both commands of DVC; returns the code of the one that failed, or 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("parent", type=int)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("targets", nargs="*")
    given = parser.parse_intermixed_args(arguments)  # otherwise no target may stand behind an option
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    began = time.monotonic()
    try:
        if given.data and (code := dvc(given.folder / "tree", given.parent, "checkout", "--quiet", *given.data)):
            return code
        return dvc(given.folder / "tree", given.parent, "repro", *given.targets)
    finally:
        with (given.folder / "spent").open("a") as file:
            file.write(f"{time.monotonic() - began:.2f}\n")


def dvc(tree: Path, parent: int, *arguments: str) -> int:
    """Run a command of DVC to its end, or to that of the parent; its output goes where ours goes."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_THE_TREES}
    command = Command([sys.executable, "-m", "dvc", *arguments], tree, environment)
    with running(command, sys.stdout.buffer) as process:
        with suppress(KeyboardInterrupt):
            while os.getppid() == parent:
                with suppress(subprocess.TimeoutExpired):
                    return ended(process.wait(SECONDS))
        interrupt_stages(process)
    return 1


def ended(code: int) -> int:
    """The code for the sweep; of a DVC that was killed nothing else tells why."""
    if code >= 0:
        return code
    print(f"ERROR: DVC was ended by {signal.Signals(-code).name}; was there too little memory?", flush=True)
    return 1


def interrupt_stages(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the stages, and not DVC: it may be recording one that has ended, which would run again."""
    import psutil

    until, told = time.monotonic() + SECONDS_TO_END, set[int]()
    while process.poll() is None and time.monotonic() < until:
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                if child.pid not in told:
                    told.add(child.pid)
                    child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)


if __name__ == "__main__":
    sys.exit(main())
