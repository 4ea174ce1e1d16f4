"""Where what comes from a server waits: in the clone, so that the next run finds what a killed one left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixelproof.core.files import naming

HOME = Path(".pixelproof/cvat")


@contextmanager
def scratch(root: Path = Path()) -> Iterator[Path]:
    """A folder of this process's own, removed at the end; those that killed processes left are removed first.

    Each process locks its folder, and the lock ends with the process: several may be at work.

    Args:
        root: The clone.

    Yields:
        The folder.
    """
    home = root / HOME
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):  # nobody looks at a folder between its making and its lock
        for left in list(home.iterdir()):
            with suppress(BlockingIOError), _locked(left, fcntl.LOCK_NB):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=home))
        mine = os.open(folder, os.O_RDONLY)
        fcntl.flock(mine, fcntl.LOCK_EX)
    try:
        with naming(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mine)


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(handle)
