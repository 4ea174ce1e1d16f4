"""Finds exports (zip files or folders) and reads their files, never following a path out of them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pixelproof.core.errors import DataError

ANNOTATIONS = "annotations.xml"
MAX_BYTES = 1 << 30  # per file: anything larger is not an image, and would exhaust memory
AGAIN = "export again from CVAT as 'CVAT for images 1.1' with 'Save images' on"


@dataclass(frozen=True)
class Export:
    """An open export: its name, and its files by their path inside it."""

    name: str
    path: Path
    lengths: dict[str, int]  # in bytes
    archive: zipfile.ZipFile | None = None

    def read(self, member: str) -> bytes:
        """One file's content."""
        where = f"{self.path}: {member}"
        if (found := self.lengths[member]) > MAX_BYTES:
            raise DataError(where, f"at most {MAX_BYTES} bytes", str(found), "leave it out of the export")
        if self.archive is None:
            return (self.path / member).read_bytes()
        try:
            return self.archive.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise DataError(where, "a whole file", f"{type(error).__name__}: {error}", AGAIN) from None


def find_exports(folder: Path) -> list[Path]:
    """Every .zip and every folder with an annotations.xml in `folder`, sorted by name."""
    if not folder.is_dir():
        raise DataError(folder, "the folder that cvat.exports names", "no such folder", "see `bin/pixelproof init`")
    found = [path for path in sorted(folder.iterdir()) if _is_export(path)]
    if not found:
        raise DataError(folder, "CVAT exports (.zip, or folders with annotations.xml)", "none", AGAIN)
    names: dict[str, Path] = {}
    for path in found:
        other = names.setdefault(export_name(path), path)
        if other is not path:
            raise DataError(path, "exports whose names differ", f"{other.name} beside it", "remove one of the two")
    return found


def export_name(path: Path) -> str:
    """The export's name: the file name without .zip, or the folder's name."""
    return path.name.removesuffix(path.suffix) if path.suffix.lower() == ".zip" else path.name


@contextmanager
def open_export(path: Path) -> Iterator[Export]:
    """Open a zip or a folder; links, and paths that lead out of it, are errors."""
    if path.is_symlink():
        raise DataError(path, "a file or a folder", "a link", "put the export itself there")
    if path.is_dir():
        yield Export(export_name(path), path, dict(_folder_files(path)))
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(path, "a CVAT export", "no such file", "name the .zip or the folder") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(path, "a zip file", f"{type(error).__name__}: {error}", AGAIN) from None
    with archive:
        yield Export(export_name(path), path, dict(_zip_files(path, archive)), archive)


def inside(name: str) -> bool:
    """Whether a path stays inside the export: relative, no `..`, no drive, no backslash."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not {*"\\:\0"} & {*name}


def _is_export(path: Path) -> bool:
    return path.suffix.lower() == ".zip" or (path.is_dir() and (path / ANNOTATIONS).exists())


def _folder_files(root: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            raise DataError(path, "a file or a folder", "a link", "replace it with the file it points to")
        if path.is_file():
            yield path.relative_to(root).as_posix(), path.stat().st_size


def _zip_files(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, int]]:
    for info in archive.infolist():
        is_link = info.external_attr >> 28 == 0o12
        if is_link or not inside(info.filename):
            found = "a link" if is_link else "a path that leads out of the export"
            raise DataError(f"{path}: {info.filename}", "a file inside the export", found, AGAIN)
        if not info.is_dir():
            yield info.filename, info.file_size
