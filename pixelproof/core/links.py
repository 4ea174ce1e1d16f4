"""Files that stand in two places and need no change: their bytes are shared where that is safe, else copied.

A reflink shares the blocks until one of the two is written to. A hard link is one file with two names: whoever writes
to it in place changes both. DVC replaces hard links by copies when it takes a stage's outputs into its cache, unless
`cache.type` asks for links; then what it hands out are links of its cache without write permission. Those alone are
linked: one name more for a file that nobody may write to.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

FICLONE = 0x40049409  # of Linux; other systems refuse it, and the file is copied
WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def link(source: Path, target: Path) -> None:
    """Make `target` a file with the bytes of `source`: replaced as a whole, never half-written.

    Args:
        source: A file; or a link to one, which is followed.
        target: In a folder that exists.

    Raises:
        OSError: The source cannot be read, or the disk is full.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if not _hard_linked(source, beside):
            _cloned(source, beside)
        beside.replace(target)  # does nothing if both are names of one file: then the temporary one stays
    finally:
        beside.unlink(missing_ok=True)


def _hard_linked(source: Path, target: Path) -> bool:
    """Link a file of DVC's cache once more; False if it is none."""
    there = source.stat()
    named = source.is_symlink() or there.st_nlink > 1  # the cache has a name of its own for it
    if not named or there.st_mode & WRITABLE:
        return False
    with suppress(OSError):  # another disk, or as many links as the disk allows
        target.unlink(missing_ok=True)
        os.link(source.resolve(), target)
        return True
    return False


def _cloned(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
        except OSError:  # not on this disk
            shutil.copyfileobj(old, new, 1 << 20)
