"""Copies exports beside a store: photographs by their content, each once, and labels as they came."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_bytes
from pixelproof.core.progress import track
from pixelproof.data.images import PNG_SIGNATURE, whole_jpeg, whole_png
from pixelproof.data.photos import Window, look, stored
from stages.cvat.archive import AGAIN, Export
from stages.cvat.convert import Opened
from stages.cvat.digests import DIGITS, damaged, export_digest, is_whole_export, is_whole_photograph
from stages.cvat.formats.pictures import shown_size
from stages.cvat.model import Annotated, Painted
from stages.cvat.pixels import with_remedy
from stages.cvat.store import EXPORTS, PHOTOGRAPHS, Line, members_of, members_text

STAGED = ".adding.tmp"  # DVC ignores *.tmp
JPEG_SIGNATURE = b"\xff\xd8\xff"
ENDINGS = {
    PNG_SIGNATURE: ".png", JPEG_SIGNATURE: ".jpg", b"II*\0": ".tif", b"MM\0*": ".tif", b"II+\0": ".tif",
    b"MM\0+": ".tif", b"BM": ".bmp", b"GIF8": ".gif", b"RIFF": ".webp",
}  # fmt: skip
ANY_WINDOW = Window(low=0, high=65535)  # to see whether 16 bits can be read
LONGEST_NAME = 255  # bytes of a file's name
LONGEST = 40  # characters of an export's name in that of its folder


@dataclass(frozen=True)
class Taken:
    """An export as the store will have it."""

    folder: str  # its name in exports/
    members: dict[str, str]  # the photograph that each of its pictures is


@dataclass
class Staging:
    """Files on their way into a store: written beside it, then renamed into it."""

    store: Path
    dry: bool = False  # only look, and write nothing
    there: set[str] = field(default_factory=set)  # photographs and exports that need not be copied
    damaged: set[str] = field(default_factory=set)  # those that are not what their names say

    def __post_init__(self) -> None:
        photographs = _listed(self.store / PHOTOGRAPHS)
        exports = [path for path in _listed(self.store / EXPORTS) if path.is_dir()]
        for path in track(photographs, f"{self.store.name}: photographs", len(photographs)):
            (self.there if is_whole_photograph(path) else self.damaged).add(path.name)
        for path in exports:
            (self.there if is_whole_export(path) else self.damaged).add(path.name)

    def __enter__(self) -> Staging:
        if not self.dry:
            self.clear()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.dry:
            self.clear()

    @property
    def place(self) -> Path:
        """Where files wait."""
        return self.store / STAGED

    def take(self, one: Opened) -> Taken:
        """Copy an export, one file after the other.

        Args:
            one: An open export.

        Returns:
            What it will be called, and its photographs.

        Raises:
            DataError: A photograph is damaged, or has another size than its labels.
        """
        export, members = one.export, {}
        images = {image.member: image for image in one.parsed.images if image.member is not None}
        for member in track(sorted(images), f"{export.path.name}: photographs", len(images)):
            members[member] = self._photograph(export, images[member], member)
        labels = _labels_of(one) - members.keys()
        _check_names(export, labels, members.keys())
        return Taken(self._rest(export, labels, members), members)

    def check_borrowed(self, where: str, image: Annotated, name: str) -> None:
        """Check the size of a photograph that an earlier export brought.

        Args:
            where: Names the image in errors.
            image: What the labels say of it.
            name: The photograph's name in the store.

        Raises:
            DataError: It has another size than its labels.
        """
        places = [
            path for path in (folder / PHOTOGRAPHS / name for folder in (self.place, self.store)) if path.exists()
        ]
        if places and image.width and name in self.there:  # no place in a dry run, if it is new
            _check_size(where, image, places[0].read_bytes())

    def check(self, lines: Iterable[Line]) -> None:
        """Require what the store has and an index names to be what came, or to have come again.

        Raises:
            DataError: A file is damaged, or was edited.
        """
        wrong = self.damaged - self.there
        for line in lines:
            for kind, name in ((PHOTOGRAPHS, line.photograph), (EXPORTS, line.export)):
                if name in wrong:
                    raise damaged(f"{self.store / kind / name} (image {line.name!r})")

    def publish(self, exports: Collection[str], photographs: Collection[str]) -> None:
        """Move what was copied into the store; the index does not name it yet, so it does not count."""
        for kind, names in _named(exports, photographs).items():
            for path in _listed(self.place / kind):
                target = self.store / kind / path.name
                if path.name in names:
                    target.parent.mkdir(exist_ok=True)
                    if target.is_dir():  # a damaged one
                        shutil.rmtree(target)
                    path.replace(target)

    def clear(self) -> None:
        """Remove what was not moved, also by an earlier process that was killed, and folders made for it alone."""
        shutil.rmtree(self.place, ignore_errors=True)
        with suppress(OSError):  # they hold something
            self.store.rmdir()
            self.store.parent.rmdir()

    def _photograph(self, export: Export, image: Annotated, member: str) -> str:
        content, where = export.read(member), f"{export.path}: {member}"
        name = hashlib.sha256(content).hexdigest()[:DIGITS] + _ending(where, content)
        if name not in self.there:
            _check_whole(where, content)
            if not self.dry:
                write_bytes(self.place / PHOTOGRAPHS / name, content)
            self.there.add(name)
        _check_size(where, image, content)
        return name

    def _rest(self, export: Export, labels: set[str], members: dict[str, str]) -> str:
        """Copy the files with the labels; returns the name of their folder."""
        beside, table = self.place / EXPORTS / "unnamed", members_text(members).encode()
        name = f"{_readable(export.name)}-{export_digest(self._copied(export, labels, beside), table)}"
        if name in self.there:
            shutil.rmtree(beside, ignore_errors=True)
        elif not self.dry:
            write_bytes(self.place / EXPORTS / f"{name}.csv", table)
            beside.rename(self.place / EXPORTS / name)
        self.there.add(name)
        return name

    def _copied(self, export: Export, labels: set[str], to: Path) -> Iterator[tuple[str, bytes]]:
        """Each file with its content, once it is copied."""
        for member in sorted(labels):
            content = export.read(member)
            if not self.dry:
                (to / member).parent.mkdir(parents=True, exist_ok=True)
                (to / member).write_bytes(content)
            yield member, content


def remove_unnamed(store: Path, exports: Collection[str], photographs: Collection[str]) -> None:
    """Remove what nothing needs any more: of older exports, or of a process that was killed.

    Args:
        store: The store.
        exports: Those that the index names.
        photographs: Those that it names; those of the exports stay too.
    """
    of_exports = (name for export in exports for name in members_of(store / EXPORTS / export).values())
    for kind, names in _named(exports, {*photographs, *of_exports}).items():
        for path in _listed(store / kind):
            if path.name not in names:
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _named(exports: Collection[str], photographs: Collection[str]) -> dict[str, set[str]]:
    return {PHOTOGRAPHS: {*photographs}, EXPORTS: {*exports, *(f"{name}.csv" for name in exports)}}


def _labels_of(one: Opened) -> set[str]:
    """The files that its format reads: a folder may hold anything else, such as the videos that frames are of."""
    painted = [image.labels for image in one.parsed.images if isinstance(image.labels, Painted)]
    pictures = {member for each in painted for member in (each.classes, each.objects) if member}
    return one.export.touched | pictures


def _check_names(export: Export, labels: Collection[str], photographs: Collection[str]) -> None:
    """Refuse names of files that the store cannot keep; photographs have others there, which a table tells."""
    folders = {parent.as_posix() for name in labels for parent in PurePosixPath(name).parents}
    rename = "rename it, and what names it"
    for name in sorted({*labels, *photographs}):
        where = f"{export.path}: {name!r}"
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(where, "a file name in UTF-8", "another", rename)
        if name in labels and (long := max(len(part.encode()) for part in name.split("/"))) > LONGEST_NAME:
            where = f"{export.path}: {name[:LONGEST]!r}..."
            raise DataError(where, f"names of at most {LONGEST_NAME} bytes", f"{long}", rename)
        if name in labels and name in folders:
            raise DataError(where, "a file or a folder", "both", rename)


def _ending(where: str, content: bytes) -> str:
    ending = next((ending for start, ending in ENDINGS.items() if content.startswith(start)), None)
    if ending is None or (ending == ".webp" and content[8:12] != b"WEBP"):
        raise DataError(where, "an image (PNG, JPEG, TIFF, BMP, WebP or GIF)", f"{len(content)} bytes of none", AGAIN)
    return ending


def _check_whole(where: str, content: bytes) -> None:
    """Refuse what the stage would, but for PNG and JPEG whose pixels are damaged within: decoding all takes long."""
    if content.startswith(PNG_SIGNATURE):
        whole = whole_png(content)
    else:
        try:
            facts = look(where, io.BytesIO(content))
            whole = (
                whole_jpeg(content) if facts.kind == "JPEG" else bool(stored(where, content, facts, ANY_WINDOW).size)
            )
        except DataError as error:
            raise with_remedy(error, AGAIN) from None
    if not whole:
        raise DataError(where, "a whole image", f"{len(content)} bytes, cut off or damaged", AGAIN)


def _check_size(where: str, image: Annotated, content: bytes) -> None:
    size = shown_size(content)
    if image.width and size and size != (image.width, image.height):
        expected = f"the size that its labels are for, {image.width}x{image.height}"
        raise DataError(where, expected, f"{size[0]}x{size[1]}", AGAIN)


def _readable(name: str) -> str:
    """An export's name as a part of a file's: on any system, and not too long for it."""
    return re.sub(r"[^\w. -]+", "-", name)[:LONGEST].strip(" .-") or "export"
