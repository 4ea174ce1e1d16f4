"""Pictures in an export: their sizes, read from their first bytes, and which of them is an image's photograph."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from pixelproof.core.errors import DataError
from stages.cvat.archive import PICTURES, Export
from stages.cvat.formats.checks import AGAIN
from stages.cvat.model import Annotated

HEADS = (1 << 16, 1 << 20)  # bytes to try before the whole file: a header may be long, or at the end (TIFF)
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # EXIF: the picture is shown turned by a quarter, as CVAT does
SAVE_IMAGES = "export again from CVAT with 'Save images' on"


def is_picture(member: str) -> bool:
    """Whether a file is named as a picture."""
    return PurePosixPath(member).suffix.lower() in PICTURES


def photograph(export: Export, where: str, places: Iterable[str], any_there: bool) -> str | None:
    """The first of the places that exists; None if the export holds no photographs at all.

    Args:
        export: The open export.
        where: Names the image in errors.
        places: Where the photograph may be.
        any_there: Whether the export holds photographs: then that of each image must be there.

    Raises:
        DataError: It is not.
    """
    tried = list(dict.fromkeys(places))
    for place in tried:
        if member := export.find(place):
            return member
    if any_there:
        raise DataError(where, f"its photograph, {tried[0]}", "none", SAVE_IMAGES)
    return None


def unnamed(pictures: Iterable[str], images: Iterable[Annotated]) -> Counter[str]:
    """The number of photographs that belong to no image, as a note to the user.

    Args:
        pictures: The members of the export that may be photographs.
        images: The images that were read.
    """
    count = len({member for member in pictures if is_picture(member)} - {image.member for image in images})
    return Counter({"photographs left out: the labels do not name them": count}) if count else Counter()


def check_size(export: Export, member: str | None, where: str, expected: tuple[int, int]) -> None:
    """Check that a photograph has the size that the annotations say; one whose header is unknown is not checked.

    Raises:
        DataError: It has another.
    """
    found = picture_size(export, member) if member else None
    if found and found != expected:
        said, real = ("x".join(map(str, size)) for size in (expected, found))
        raise DataError(where, f"a photograph of {said}, as the annotations say", f"{real} in {member}", AGAIN)


def picture_size(export: Export, member: str) -> tuple[int, int] | None:
    """Width and height of a picture as it is shown; None if its header cannot be read."""
    length = export.lengths[member]
    for head in (*(head for head in HEADS if head < length), length):
        if size := shown_size(_first_bytes(export, member, head)):
            return size
    return None


def shown_size(head: bytes) -> tuple[int, int] | None:
    """Width and height of a picture as it is shown, from its first bytes; None if its header cannot be read."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(head)) as picture:
            width, height = picture.size
            # Pillow turns a TIFF itself, and decodes all of a PNG to look for what is not at its beginning.
            told = picture.format != "TIFF" and (picture.format != "PNG" or "exif" in picture.info)
            turned = told and picture.getexif().get(ORIENTATION) in TURNED
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return None
    return (height, width) if turned else (width, height)


def _first_bytes(export: Export, member: str, count: int) -> bytes:
    if count >= export.lengths[member]:
        return export.read(member)
    if export.archive is None:
        with export.file(member).open("rb") as file:
            return file.read(count)
    try:
        with export.archive.open(export.inner + member) as packed:
            return packed.read(count)
    except Exception:  # a damaged zip, of many kinds
        return export.read(member)  # names the file, and says what is wrong
