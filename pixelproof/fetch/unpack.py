"""Unpacks one folder of a tar, tar.gz or zip that nobody vouches for, and digests what came out.

Every name, kind and byte is checked here: nothing is written outside the target, no link and no device is made, and
what is decompressed is counted as it comes, because the sizes that an archive states may be lies.
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

MAX_RATIO = 100  # labelled images are compressed already: a hundredfold is a bomb
FREE_BYTES = 1_000_000  # so much may come out of any archive, however small
BLOCK = 1 << 20
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, OSError)
# An OSError speaks of the archive where it has no number (a bad gzip) or names collide; others speak of this machine.
ITS_FAULT = (None, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
DISTRUST = "do not trust this archive"


class Readable(Protocol):
    """What a member's content can do."""

    def read(self, size: int, /) -> bytes: ...


Member = tuple[str, bool, Readable | None]  # name, whether it is a folder, content (None: nothing that may be unpacked)


def unpack(archive: Path, folder: str, target: Path, max_files: int, max_bytes: int) -> Path:
    """Unpack the files below `folder` of an archive into `target`: at most so many files, and bytes in all."""
    written: set[PurePosixPath] = set()
    try:
        target.mkdir(parents=True)
        budget = _Budget(archive, min(max_bytes, MAX_RATIO * archive.stat().st_size + FREE_BYTES))
        for name, is_folder, content in _members(archive, budget):
            path = _wanted(archive, name, folder)
            if path is None or is_folder:
                continue
            if content is None:
                raise FetchError(f"{archive.name}: {name!r}", "a link, a device or a file with holes", DISTRUST)
            if path in written:
                raise FetchError(f"{archive.name}: {name!r}", "there twice", DISTRUST)
            if len(written) == max_files:
                raise FetchError(archive.name, f"more than the {max_files} files allowed", DISTRUST)
            written.add(path)
            _write(target / path, content)
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno not in ITS_FAULT:
            raise
        what = f"cannot be unpacked ({type(error).__name__}: {error})"
        raise FetchError(archive.name, what, "download it again") from None
    if not written:
        raise FetchError(archive.name, f"no file below {folder!r}", "is it another revision?")
    return target


def digest(folder: Path) -> str:
    """One SHA-256 over names and contents: of the text that `sha256sum` prints for the files, sorted by name.

    By hand: find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    text = "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()


class _Budget:
    """Counts what is decompressed; too much is an error before it is written."""

    def __init__(self, archive: Path, limit: int) -> None:
        self.archive, self.limit, self.spent = archive, limit, 0

    def spend(self, count: int) -> None:
        self.spent += count
        if self.spent > self.limit:
            raise FetchError(self.archive.name, f"more than the {self.limit} bytes allowed", DISTRUST)


class _Counted:
    """A stream that spends a budget as it is read."""

    def __init__(self, stream: Readable, budget: _Budget) -> None:
        self.stream, self.budget = stream, budget

    def read(self, size: int, /) -> bytes:
        block = self.stream.read(size)
        self.budget.spend(len(block))
        return block


def _members(archive: Path, budget: _Budget) -> Iterator[Member]:
    """Every member; the kind of archive is told by its first bytes and not by its name."""
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
    # The whole stream is counted, so that headers of any size, and members that nobody wants, are bounded too.
    with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        for info in tar:
            plain = info.isreg() and not info.issparse()
            yield info.name, info.isdir(), tar.extractfile(info) if plain else None
    while stream.read(BLOCK):  # to the end, where a gzip has its checksum
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
    """A member's path relative to the wanted folder, None where it lies elsewhere; a bad name is an error anywhere."""
    path, wanted = PurePosixPath(name), PurePosixPath(folder).parts
    if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise FetchError(f"{archive.name}: {name!r}", "a name that leads outside", DISTRUST)
    for around in (1, 0):  # an archive of a revision usually has one folder around everything
        start, end = around, around + len(wanted)
        if path.parts[start:end] == wanted and len(path.parts) > end:
            return PurePosixPath(*path.parts[end:])
    return None


def _write(path: Path, content: Readable) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while block := content.read(BLOCK):
            file.write(block)
