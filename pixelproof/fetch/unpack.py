"""Unpack one folder of an untrusted tar, tar.gz or zip, and compute a digest of the result.

Names, file types and sizes are checked here: nothing is written outside the target, no links or devices are created,
and decompressed bytes are counted as they arrive, because the sizes that an archive states may be false.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from pixelproof.core.errors import FetchError
from pixelproof.core.files import sha256

MAX_RATIO = 100  # images are already compressed: what expands a hundredfold is a decompression bomb
FREE_BYTES = 1_000_000  # allowed for any archive, however small
BLOCK = 1 << 20
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, OSError)
# An OSError is the archive's fault if it has no errno (a bad gzip) or is about names; others are this machine's.
DAMAGED = (None, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
DISTRUST = "do not trust this archive"


class Readable(Protocol):
    """The contents of an archive member, as a stream."""

    def read(self, count: int, /) -> bytes:
        """The next bytes, at most `count`; empty at the end."""
        ...


Member = tuple[str, bool, Readable | None]  # name, whether it is a folder, content (None: must not be unpacked)


def unpack(archive: Path, folder: str, target: Path, max_files: int, max_bytes: int) -> Path:
    """Unpack the files below one folder of an archive.

    Args:
        archive: A tar, tar.gz or zip; the format is detected from its contents, not from its name.
        folder: The wanted folder, relative to the archive's root or to its single top-level folder; empty for all.
        target: Must not exist yet. After an error it may hold some of the files.
        max_files: The maximum number of files.
        max_bytes: The maximum number of decompressed bytes.

    Returns:
        The target.

    Raises:
        FetchError: The archive is damaged, unsafe or too large, or has no such folder.
    """
    written: set[PurePosixPath] = set()
    try:
        target.mkdir(parents=True)
        budget = _Budget(archive, min(max_bytes, MAX_RATIO * archive.stat().st_size + FREE_BYTES))
        for name, is_folder, content in _members(archive, budget):
            path = _wanted(archive, name, folder)
            if path is None or is_folder:
                continue
            if content is None:
                raise FetchError(f"{archive.name}: {name!r}", "a link, a device or a sparse file", DISTRUST)
            if path in written:
                raise FetchError(f"{archive.name}: {name!r}", "in the archive twice", DISTRUST)
            if len(written) == max_files:
                raise FetchError(archive.name, f"more than the {max_files} files allowed", DISTRUST)
            written.add(path)
            _write(target / path, content)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno not in DAMAGED:
            raise
        what = f"cannot be unpacked ({type(error).__name__}: {error})"
        raise FetchError(archive.name, what, "download it again") from None
    if not written:
        raise FetchError(archive.name, f"no file below {folder!r}", "is it another revision?")
    return target


def digest(folder: Path) -> str:
    """A SHA-256 over names and contents: the digest of what `sha256sum` prints for the files, sorted by name.

    By hand: find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    text = "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()


class _Budget:
    """Counts decompressed bytes, and raises an error before too many are written."""

    def __init__(self, archive: Path, limit: int) -> None:
        self.archive, self.limit, self.spent = archive, limit, 0

    def spend(self, count: int) -> None:
        self.spent += count
        if self.spent > self.limit:
            raise FetchError(self.archive.name, f"more than the {self.limit} bytes allowed", DISTRUST)


class _Counted:
    """A stream whose bytes are deducted from a budget as they are read."""

    def __init__(self, stream: Readable, budget: _Budget) -> None:
        self.stream, self.budget = stream, budget

    def read(self, count: int, /) -> bytes:
        block = self.stream.read(count)
        self.budget.spend(len(block))
        return block


def _members(archive: Path, budget: _Budget) -> Iterator[Member]:
    """All members; the format is detected from the first bytes, not from the name."""
    with archive.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic == b"PK\x03\x04":
            yield from _zip_members(file, budget)
        elif magic[:2] == b"\x1f\x8b":
            yield from _tar_members(_Counted(gzip.GzipFile(fileobj=file), budget))
        else:
            yield from _tar_members(_Counted(file, budget))


def _tar_members(stream: _Counted) -> Iterator[Member]:
    # The whole stream is counted, so that large headers and unwanted members are limited too.
    with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        for info in tar:
            plain = info.isreg() and not info.issparse()
            yield info.name, info.isdir(), tar.extractfile(info) if plain else None
    while stream.read(BLOCK):  # to the end, so that gzip's checksum is verified
        pass


def _zip_members(file: IO[bytes], budget: _Budget) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.is_dir() or stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                yield info.filename, info.is_dir(), None
            else:
                with archive.open(info) as content:
                    yield info.filename, False, _Counted(content, budget)


def _wanted(archive: Path, name: str, folder: str) -> PurePosixPath | None:
    """A member's path relative to the wanted folder; None if it is not in it. An unsafe name is always an error."""
    path, wanted = PurePosixPath(name), PurePosixPath(folder).parts
    if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise FetchError(f"{archive.name}: {name!r}", "an unsafe name", DISTRUST)
    if not wanted:
        return path
    for around in (1, 0):  # archives of a revision usually wrap everything in one folder
        start, end = around, around + len(wanted)
        if path.parts[start:end] == wanted and len(path.parts) > end:
            return PurePosixPath(*path.parts[end:])
    return None


def _write(path: Path, content: Readable) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while block := content.read(BLOCK):
            file.write(block)
