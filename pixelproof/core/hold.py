"""One process at a time writes the outputs of a stage: it holds a lock, which the system gives back when it ends.

DVC has locks of its own, but a stage can outlive DVC by some seconds, and be typed without it. Libraries make temporary
folders, which they leave when they are killed: the next process with this lock removes them.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import util
from pathlib import Path
from typing import TextIO

from pixelproof.core.errors import StateError
from pixelproof.core.progress import say

FOLDER = Path(".pixelproof/at-work")
SECONDS = 60  # more than a training that was asked to end takes to save
PAUSE = 0.2
LAST = -200  # the priority of what Python does at the end: its own temporary folder has -100
LONGEST = 70  # characters: sockets that libraries make in the temporary folder may have 104 on macOS


def work_of(arguments: Sequence[str]) -> str:
    """What a stage writes, in a word: the stage, and the architecture and the seed where it has them.

    Args:
        arguments: the command line, the program first.

    Returns:
        As DVC names it.

    Example:
        >>> work_of(["stages/train/__main__.py", "--arch", "unet", "--seed", "0", "--processes", "2"])
        'train@unet-0'
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--arch", nargs="?")
    parser.add_argument("--seed", nargs="?")
    known, _ = parser.parse_known_args(arguments[1:])
    items = "-".join(value for value in (known.arch, known.seed) if value)
    stage = Path(arguments[0]).parent.name or "stage"  # where it is not a file, as for `python -c`
    return f"{stage}@{items}" if items else stage


@contextmanager
def hold(work: str, seconds: float = SECONDS) -> Iterator[None]:
    """Let no other process do the same work in this clone during the block, and while a child that it forked lives.

    Args:
        work: a word for what is written.
        seconds: how long to wait for another that does it.

    Raises:
        StateError: another process does not end.
    """
    path = FOLDER / work.replace("/", "-")
    with ExitStack() as stack:
        try:
            FOLDER.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("a+", encoding="utf-8"))
            _wait(file, work, seconds)
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        except OSError as error:
            say(f"{path}: cannot be locked here ({error.strerror}): let no second process do the same")
        else:
            stack.enter_context(scratch(work))
        yield


def _wait(file: TextIO, work: str, seconds: float) -> None:
    began = time.monotonic()
    told = False
    while not _locked(file):
        file.seek(0)
        owner = file.read().strip() or "unknown"
        if time.monotonic() - began > seconds:
            fix = "wait for it to end, or end it; then run this again"
            raise StateError(work, f"another process ({owner}) is at work on it in this clone", fix)
        if not told:
            say(f"{work}: waits for process {owner}, which is still at work on it")
            told = True
        time.sleep(PAUSE)


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def scratch(work: str) -> Iterator[None]:
    """A temporary folder for this work alone during the block, empty at first; only with the lock on the work.

    It is removed when this process ends, after Python has closed its sockets in it, or else by the next one.

    Args:
        work: a word for what is done in this clone.
    """
    digest = hashlib.sha256(f"{Path.cwd()}\0{work}".encode()).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"pp-{digest[:8]}"
    shutil.rmtree(folder, ignore_errors=True)
    if len(str(folder)) > LONGEST or not _made(folder):
        yield
        return
    before = os.environ.get("TMPDIR")
    _use(str(folder))
    util.Finalize(None, shutil.rmtree, (folder, True), exitpriority=LAST)
    try:
        yield
    finally:
        _use(before)


def _made(folder: Path) -> bool:
    with suppress(OSError):  # no room, or the name is another user's
        folder.mkdir(0o700)
        return True
    return False


def _use(folder: str | None) -> None:
    if folder is None:
        os.environ.pop("TMPDIR", None)
    else:
        os.environ["TMPDIR"] = folder
    tempfile.tempdir = None  # Python looks again
