"""Work on single images that is remembered: after a few were labelled anew, a stage works on those alone.

It is kept in a folder of the clone, outside the outputs, and does not affect results: an entry is found only by the
digest of all that it was made from, which is the image, its labels, the params, the code, the versions of the libraries
and the processor. An entry is one file: the digest of its key and of what follows, the names and lengths of its parts,
the parts. A damaged one is made again. Files are replaced as a whole, so that several processes may share a folder.

The folder holds at most 20 GiB, or as many as PIXELPROOF_REMEMBERED says (0: nothing is remembered), and never takes
more than half of what is free on the disk. What was not used for longest is removed first, and nothing that the same
run has used: of a dataset that is too large, the same part stays.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.core.files import files_below, sha256, write_bytes
from pixelproof.core.machine import processor
from pixelproof.core.portable import CAPS

FOLDER = Path(".pixelproof/images")
VARIABLE, GIB = "PIXELPROOF_REMEMBERED", 20.0
DIGEST_BYTES = hashlib.sha256().digest_size
CODE = Path(__file__).parents[1]  # the ground that all stages stand on
GROUND = ("core", "data")
ABANDONED = 3600  # seconds after which an unfinished file is one that a killed process left

Parts = dict[str, bytes]


def digest_of(*values: object) -> str:
    """A digest of plain values, arrays and dataclasses of them; equal ones have equal digests in any process.

    Args:
        values: None, numbers, texts, bytes, paths, arrays, and sequences, mappings and dataclasses of these.

    Raises:
        TypeError: There is something else in them.

    Example:
        >>> digest_of([1, "a"]) == digest_of((1, "a")), digest_of("ab", "c") == digest_of("a", "bc")
        (True, False)
    """
    parts: list[bytes] = []
    _list(parts, values)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _list(parts: list[bytes], value: object) -> None:
    """Append a value with its kind and its length, so that no two that differ look alike; the usual kinds first."""
    if isinstance(value, str):
        content = value.encode(errors="surrogatepass")
        parts += (b"s%d:" % len(content), content)
    elif isinstance(value, np.ndarray):
        parts += (f"a{value.dtype.str}{value.shape}".encode(), value.tobytes())
    elif value is None or isinstance(value, bool | int):
        parts.append(b"%a;" % (value,))
    elif isinstance(value, list | tuple):
        parts.append(b"l%d:" % len(value))
        for one in value:
            _list(parts, one)
    elif is_dataclass(value):
        parts.append(f"d{type(value).__name__};".encode())
        for one in vars(value).values():
            _list(parts, one)
    elif isinstance(value, bytes):
        parts += (b"b%d:" % len(value), hashlib.sha256(value).digest())
    elif isinstance(value, float):
        parts.append(b"f" + struct.pack("<d", value))
    elif isinstance(value, Mapping):
        parts.append(b"m%d:" % len(value))
        for pair in value.items():
            _list(parts, pair)
    elif isinstance(value, Path):
        _list(parts, "p")
        _list(parts, str(value))
    elif isinstance(value, np.generic):
        _list(parts, value.item())
    else:
        raise TypeError(f"no digest of a {type(value).__name__}")


@dataclass
class Remembered:
    """What one stage remembers."""

    folder: Path
    base: str  # the digest of what is the same for all images
    limit: int  # bytes
    began: float = field(default_factory=lambda: time.time() - 1)  # a second, for the coarse clocks of disks
    made: int = 0  # how many were not remembered
    _oldest: list[tuple[float, int, Path]] | None = None  # of what was there: last use, length, path; the oldest last
    _held: int = 0  # bytes

    @staticmethod
    def of(stage: Path, environ: Mapping[str, str] = os.environ, folder: Path = FOLDER) -> Remembered:
        """That of a stage.

        Args:
            stage: The folder of its code.
            environ: May hold PIXELPROOF_REMEMBERED: how many GiB to use, 0 for none.
            folder: Where to keep all stages' work.

        Raises:
            DataError: PIXELPROOF_REMEMBERED is no number.
        """
        where = folder / stage.name
        code = {file.relative_to(CODE.parent).as_posix(): sha256(file) for file in _code(stage)}
        libraries = [platform.python_version(), np.__version__, cv2.__version__, _pillow()]
        caps = {name: environ.get(name) for name in CAPS}
        return Remembered(where, digest_of(code, libraries, caps, processor()[0]), _limit(environ))

    def recall(self, key: Iterable[object], make: Callable[[], Parts]) -> Parts:
        """The parts that were made for this key before; else they are made now, and remembered.

        Args:
            key: All that the parts are made from, besides code: see `digest_of`.
            make: Makes them; what it raises is raised, and remembered is nothing.
        """
        if not self.limit:
            self.made += 1
            return make()
        name = digest_of(self.base, *key)
        path = self.folder / name[:2] / name[2:]
        if (found := _read(path, name)) is not None:
            return found
        self.made += 1
        parts = make()
        content = _packed(parts, name)
        with suppress(OSError):  # a full disk: the stage itself may still have room
            if self._room(len(content)):
                write_bytes(path, content)
                self._held += len(content)
        return parts

    def _room(self, length: int) -> bool:
        """Make room for an entry; False if this run uses what is there."""
        if self._oldest is None:
            self._oldest = sorted(self._scan(), reverse=True)
            self._held = sum(size for _, size, _ in self._oldest)
            self.folder.mkdir(parents=True, exist_ok=True)
            self.limit = min(self.limit, self._held + shutil.disk_usage(self.folder).free // 2)
        while self._held + length > self.limit and self._oldest:
            _, size, path = self._oldest.pop()
            with suppress(FileNotFoundError):  # another process removed it
                if path.stat().st_mtime >= self.began:  # used meanwhile
                    continue
                path.unlink()
            self._held -= size
        return self._held + length <= self.limit

    def _scan(self) -> Iterator[tuple[float, int, Path]]:
        for folder in sorted(self.folder.glob("??")):
            for path in folder.iterdir():
                with suppress(FileNotFoundError):
                    there = path.stat()
                    if path.suffix == ".tmp" and there.st_mtime < self.began - ABANDONED:
                        path.unlink()
                    else:
                        yield there.st_mtime, there.st_size, path


def _packed(parts: Parts, name: str) -> bytes:
    head = json.dumps([[part, len(content)] for part, content in parts.items()]).encode() + b"\n"
    body = head + b"".join(parts.values())
    return hashlib.sha256(name.encode() + body).digest() + body


def _read(path: Path, name: str) -> Parts | None:
    """The parts of an entry; None if there is none, or a damaged one."""
    try:
        content = path.read_bytes()
        digest = hashlib.sha256(name.encode())
        digest.update(memoryview(content)[DIGEST_BYTES:])
        if digest.digest() != content[:DIGEST_BYTES]:
            return None
        os.utime(path)
    except OSError:
        return None
    at = content.index(b"\n", DIGEST_BYTES) + 1
    parts = {}
    for part, length in json.loads(content[DIGEST_BYTES:at]):
        parts[part] = content[at : at + length]
        at += length
    return parts


def _code(stage: Path) -> list[Path]:
    folders = [stage, *(CODE / name for name in GROUND)]
    return [file for folder in folders for file in files_below(folder)]


def _limit(environ: Mapping[str, str]) -> int:
    text = environ.get(VARIABLE, "")
    try:
        gib = float(text) if text else GIB
    except ValueError:
        gib = math.nan
    if not 0 <= gib < math.inf:
        raise DataError(VARIABLE, "a number of GiB, 0 for none", repr(text), "correct this environment variable")
    return int(gib * 2**30)


def _pillow() -> Any:
    from PIL import __version__

    return __version__
