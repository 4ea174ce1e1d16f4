"""Finds exports (zip files or folders) and reads their files, never following a path out of them."""

from __future__ import annotations

import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from pixelproof.core.errors import DataError

ANNOTATIONS = "annotations.xml"
MAX_BYTES = 1 << 30  # per file: anything larger is not an image, and would exhaust memory
BOMB = (1 << 28, 200)  # bytes, and times its packed length: a file beyond both was made to exhaust memory
AGAIN = "export again from CVAT as 'CVAT for images 1.1' with 'Save images' on"
# What the formats call the folders in which they keep files: one of these alone at the top is not a re-zipped folder.
FORMAT_FOLDERS = {"annotations", "images", "labels", "JPEGImages", "SegmentationClass", "SegmentationObject"}
ROBOFLOW, ROBOFLOW_FOLDERS = "_annotations.coco.json", {"train", "valid", "test"}  # which is in each of those folders
FOLDERS = "if they are images and masks: `init` takes a folder with images/ and masks/ of the same names (docs/data.md)"
PICTURES = {".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MARKS = ("*.xml", "labelmap.txt", "data.yaml", "annotations/*.json", "SegmentationClass")  # a folder that is an export


@dataclass(frozen=True)
class Export:
    """An open export: its name, and its files by their path inside it."""

    name: str
    path: Path
    lengths: dict[str, int]  # in bytes
    archive: zipfile.ZipFile | None = None
    inner: str = ""  # the folder of the zip, ending in a slash, in which everything lies
    packed: dict[str, int] = field(default_factory=dict)  # in bytes; empty for a folder
    elsewhere: Mapping[str, Path] = field(default_factory=dict)  # members of a folder that lie outside of it
    touched: set[str] = field(default_factory=set)  # what was read: the rest says nothing
    lent: frozenset[str] | None = None  # tasks whose photographs are there without it; None where nobody looked

    def file(self, member: str) -> Path:
        """The file on disk of a folder's member; meaningless for a zip."""
        return self.elsewhere.get(member) or (self.path if self.path.is_dir() else self.path.parent) / member

    def find(self, path: str) -> str | None:
        """The member at a path, also where one of the two spells accents apart and it is the only one; else None."""
        if path in self.lengths:
            return path
        found = self._by_composed.get(composed(path), [])
        return found[0] if len(found) == 1 else None

    @cached_property
    def _by_composed(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for member in self.lengths:
            found.setdefault(composed(member), []).append(member)
        return found

    def read(self, member: str) -> bytes:
        """One file's content."""
        where = f"{self.path}: {member}"
        self.touched.add(member)
        if (found := self.lengths[member]) > MAX_BYTES:
            raise DataError(where, f"at most {MAX_BYTES} bytes", str(found), "leave it out of the export")
        if self.archive is None:
            return self.file(member).read_bytes()
        if found > max(BOMB[0], BOMB[1] * self.packed[member]):
            raise DataError(where, "a file of images or labels", f"a zip bomb of {found} bytes", AGAIN)
        try:
            return self.archive.read(self.inner + member)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise DataError(where, "a whole file", f"{type(error).__name__}: {error}", AGAIN) from None


def find_exports(folder: Path) -> list[Path]:
    """Every .zip and every folder with annotations in `folder`, sorted by name; or that folder, if it is one itself."""
    if not folder.is_dir():
        raise DataError(folder, "the folder that cvat.exports names", "no such folder", "see `bin/pixelproof init`")
    found = [path for path in sorted(folder.iterdir()) if is_export(path)]
    if not found and is_export(folder):
        return [folder]
    if not found:
        pictures = any(path.suffix.lower() in PICTURES for path in folder.iterdir())
        what, fix = ("pictures alone", FOLDERS) if pictures else ("none", AGAIN)
        raise DataError(folder, f"CVAT exports (.zip, or folders with {ANNOTATIONS})", what, fix)
    names: dict[str, Path] = {}
    for path in found:
        other = names.setdefault(export_name(path), path)
        if other is not path:
            raise DataError(path, "exports whose names differ", f"{other.name} beside it", "remove one of the two")
    return found


def is_export(path: Path) -> bool:
    """Whether a path looks like an export: a .zip, or a folder with annotations."""
    if path.name.startswith("."):
        return False
    return path.suffix.lower() == ".zip" or (path.is_dir() and any(next(path.glob(m), None) for m in MARKS))


def export_name(path: Path) -> str:
    """The export's name: the file name without .zip or .xml, or the folder's name."""
    return path.name.removesuffix(path.suffix) if path.suffix.lower() in (".zip", ".xml") else path.name


@contextmanager
def open_export(path: Path) -> Iterator[Export]:
    """Open a zip, a folder, or the folder of an .xml file; links, and paths that lead out of it, are errors."""
    if path.is_symlink():
        raise DataError(path, "a file or a folder", "a link", "put the export itself there")
    if path.is_dir():
        yield _unpacked(path, path)
        return
    if path.suffix.lower() == ".xml" and path.is_file():
        yield _unpacked(path, path.parent)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(path, "a CVAT export", "no such file", "name the .zip or the folder") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(path, "a zip file", f"{type(error).__name__}: {error}", AGAIN) from None
    with archive:
        infos = dict(_zip_files(path, archive))
        inner = _inner(infos)
        files = {name.removeprefix(inner): info for name, info in infos.items()}
        lengths = {name: info.file_size for name, info in files.items()}
        packed = {name: info.compress_size for name, info in files.items()}
        yield Export(export_name(path), path, lengths, archive, inner, packed)


def inside(name: str) -> bool:
    """Whether a path stays inside the export: relative, no `..`, no drive such as `C:`, no backslash."""
    path = PurePosixPath(name)
    leads_out = path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name)
    return bool(path.parts) and not leads_out and not {*"\\\0"} & {*name}


def composed(name: str) -> str:
    """A name as most systems spell it: macOS writes an accent apart from its letter."""
    return unicodedata.normalize("NFC", name)


def _unpacked(path: Path, root: Path) -> Export:
    return Export(export_name(path), path, dict(_folder_files(root)))


def _folder_files(root: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            raise DataError(path, "a file or a folder", "a link", "replace it with the file it points to")
        name = path.relative_to(root).as_posix()
        if path.is_file() and not _clutter(name):
            yield name, path.stat().st_size


def _zip_files(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    seen: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if "\\" in info.filename:
            where, fix = f"{path}: {info.filename}", "unpack it, and zip the folder with another program"
            raise DataError(where, "paths with `/`, as zips have them", "`\\`", fix)
        is_link = info.external_attr >> 28 == 0o12
        if is_link or not inside(info.filename):
            found = "a link" if is_link else "a path that leads out of the export"
            raise DataError(f"{path}: {info.filename}", "a file inside the export", found, AGAIN)
        if not info.is_dir() and not _clutter(info.filename):
            other = seen.setdefault(info.filename, info)
            if (other.CRC, other.file_size) != (info.CRC, info.file_size):
                raise DataError(f"{path}: {info.filename}", "each file once", "two that differ", AGAIN)
            yield info.filename, info


def _clutter(name: str) -> bool:
    """Whether a file is what macOS or Windows leave behind in folders and in zips of them."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini") or parts[-1].startswith("._")


def _inner(names: dict[str, zipfile.ZipInfo]) -> str:
    """The folder in which everything lies, if somebody unpacked an export and zipped the folder again."""
    inner = ""
    while True:
        tops = {name.removeprefix(inner).split("/", 1)[0] for name in names}
        (top,) = tops if len(tops) == 1 else ("",)
        deeper = f"{inner}{top}/"
        is_ours = top in FORMAT_FOLDERS and deeper + ANNOTATIONS not in names
        is_subset = top in ROBOFLOW_FOLDERS and deeper + ROBOFLOW in names
        if not top or inner + top in names or is_ours or is_subset:
            return inner
        inner = deeper
