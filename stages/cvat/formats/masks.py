"""Segmentation mask 1.1 and PASCAL VOC 1.1: pictures in which each label has its colour."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from stages.cvat.archive import Export
from stages.cvat.formats import checks
from stages.cvat.formats.checks import AGAIN
from stages.cvat.formats.pictures import SAVE_IMAGES, check_size, is_picture, picture_size, unnamed
from stages.cvat.model import Annotated, Painted, Parsed

NAME = "Segmentation mask 1.1"
LABELMAP = "labelmap.txt"
CLASSES, OBJECTS, PHOTOGRAPHS = "SegmentationClass/", "SegmentationObject/", "JPEGImages/"
LISTS, BOXES = "ImageSets/Segmentation/", "Annotations/"
FOLDERS = (CLASSES, OBJECTS, PHOTOGRAPHS, BOXES, "ImageSets/")
BLACK, BACKGROUND = (0, 0, 0), "background"
WITH_MASKS = "export again from CVAT as 'Segmentation mask 1.1'"

Colour = tuple[int, int, int]


def matches(export: Export) -> bool:
    """Whether the export has VOC's folders: two of them, or one beside labelmap.txt.

    Args:
        export: The open export.
    """
    there = sum(any(member.startswith(folder) for member in export.lengths) for folder in FOLDERS)
    return there + (LABELMAP in export.lengths) >= 2


def read(export: Export) -> Parsed:
    """The images of every list, with their pictures of classes and objects.

    An image that is listed without a picture has no labels; if there is no photograph either, its size is 0x0. The
    objects of PASCAL VOC's XML have boxes only: they are counted, and so are photographs that no list names.

    Args:
        export: The open export.

    Raises:
        DataError: Something in it is missing or invalid.
    """
    lists = _lists(export)
    colours, labels = _labelmap(export)
    undrawn = checks.Undrawn()
    _count_boxes(export, undrawn)
    photographs = _by_name(export, PHOTOGRAPHS)
    images = [_image(export, name, subset, photographs, colours) for subset, names in lists.items() for name in names]
    notes = unnamed(photographs.values(), images)
    return Parsed(NAME, labels, tuple(images), undrawn.counts, undrawn.first, notes)


def colours_in(export: Export, member: str) -> NDArray[np.uint32]:
    """The picture's pixels, each colour as one number.

    Args:
        export: The open export.
        member: The picture.

    Raises:
        DataError: It cannot be decoded.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(export.read(member))) as picture:
            pixels = np.asarray(picture.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        found = f"{type(error).__name__}: {error}"
        raise DataError(f"{export.path}: {member}", "a whole picture", found, AGAIN) from None
    numbers: NDArray[np.uint32] = pixels.view("<u4")[..., 0]
    return numbers & np.uint32(0xFFFFFF)  # without opacity


def packed(colour: Colour) -> int:
    """A colour as one number, as in `colours_in`: its bytes, the lowest first."""
    return int.from_bytes(bytes(colour), "little")


def _image(
    export: Export, name: str, subset: str, photographs: Mapping[str, str], colours: Mapping[Colour, str | None]
) -> Annotated:
    where = f"{export.path}: image {name!r}"
    classes, objects = (f"{folder}{name}.png" for folder in (CLASSES, OBJECTS))
    member = photographs.get(name)
    if member is None and photographs:
        raise DataError(where, f"its photograph in {PHOTOGRAPHS}", "none", SAVE_IMAGES)
    full_name = member.removeprefix(PHOTOGRAPHS) if member else name
    if classes not in export.lengths:
        size = picture_size(export, member) if member else (0, 0)
        if size is None:
            raise DataError(f"{where}: {member}", "a picture", "something else", AGAIN)
        return Annotated(full_name, "", subset, *size, (), member)
    pixels = colours_in(export, classes)
    height, width = pixels.shape
    check_size(export, member, where, (width, height))
    _check_colours(f"{where}: {classes}", pixels, colours)
    if objects in export.lengths and (size := picture_size(export, objects)) != (width, height):
        found = f"{size[0]}x{size[1]}" if size else "no picture"
        raise DataError(f"{where}: {objects}", f"the size of {classes}, {width}x{height}", found, AGAIN)
    painted = Painted(classes, objects if objects in export.lengths else None, colours)
    return Annotated(full_name, "", subset, width, height, painted, member)


def _check_colours(where: str, pixels: NDArray[np.uint32], colours: Mapping[Colour, str | None]) -> None:
    flat = pixels.ravel()
    first = flat[1:][flat[1:] != flat[:-1]]  # of each run: sorting every pixel would take long
    known = np.array([packed(colour) for colour in colours], np.uint32)
    unknown = np.setdiff1d(np.append(np.unique(first), flat[0]), known)
    if unknown.size:
        red, green, blue = int(unknown[0]).to_bytes(3, "little")
        found = f"{red},{green},{blue} in {int((flat == unknown[0]).sum())} pixels"
        raise DataError(where, f"only colours of {LABELMAP}", found, f"add the label to {LABELMAP}, or {AGAIN}")


def _lists(export: Export) -> dict[str, list[str]]:
    """The names of the images in each subset; without any list, every picture of classes.

    VOC's own `trainval` repeats `train` and `val`.
    """
    files = sorted(name for name in export.lengths if name.startswith(LISTS) and name.endswith(".txt"))
    subsets = {file: file.removeprefix(LISTS).removesuffix(".txt") for file in files}
    pictures = _by_name(export, CLASSES)
    if not files and not pictures:
        raise DataError(export.path, f"pictures in {CLASSES}", "PASCAL VOC without masks", WITH_MASKS)
    lists: dict[str, list[str]] = {} if files else {"": sorted(pictures)}
    seen: dict[str, str] = {}
    for file, subset in subsets.items():
        if subset == "trainval" and {"train", "val"} <= set(subsets.values()):
            continue
        where = f"{export.path}: {file}"
        lists[subset] = [checks.name_of(where, name) for name in _lines(export, file)]
        for name in lists[subset]:
            if other := seen.get(name):
                fix = "rename one of the two and export again: they would share one picture"
                raise DataError(f"{where}: image {name!r}", "each name once", f"it in {other} too", fix)
            seen[name] = file
    if files and (extra := sorted(pictures.keys() - seen.keys())):
        raise DataError(f"{export.path}: {pictures[extra[0]]}", f"its name in a list of {LISTS}", "none", AGAIN)
    return lists


def _lines(export: Export, member: str) -> list[str]:
    try:
        text = export.read(member).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{export.path}: {member}", "a text file in UTF-8", str(error), AGAIN) from None
    return [line.strip() for line in text.split("\n") if line.strip()]


def _by_name(export: Export, folder: str) -> dict[str, str]:
    """The pictures of a folder by their names without extension."""
    found: dict[str, str] = {}
    for member in sorted(export.lengths):
        if member.startswith(folder) and is_picture(member):
            name = PurePosixPath(member.removeprefix(folder)).with_suffix("").as_posix()
            if name in found:
                where = f"{export.path}: {member}"
                raise DataError(where, "one picture of each name", f"{found[name]} too", "rename one and export again")
            found[name] = member
    return found


def _labelmap(export: Export) -> tuple[dict[Colour, str | None], dict[str, str]]:
    """The label of each colour, and the colour of each label, from lines `name:red,green,blue:parts:actions`.

    Where no line has a colour, VOC's own are meant, by position. Black is unlabelled unless it is a label's colour.
    """
    where = f"{export.path}: {LABELMAP}"
    if LABELMAP not in export.lengths:
        raise DataError(export.path, f"the labels' colours in {LABELMAP}", "no such file", AGAIN)
    colour_of: dict[str, Colour | None] = {}
    for line in _lines(export, LABELMAP):
        if line.startswith("#"):
            continue
        name, *fields = line.rsplit(":", 3)
        if len(fields) != 3 or not name:
            raise DataError(where, "lines `name:red,green,blue:parts:actions`", repr(line)[:60], AGAIN)
        checks.once(where, "label", name, colour_of)
        colour_of[name] = _colour(where, fields[0])
    if not any(colour_of.values()):
        colour_of = {name: _voc_colour(place) for place, name in enumerate(colour_of)}
    colours: dict[Colour, str | None] = {}
    for name, colour in colour_of.items():
        if colour in colours:
            fix = "give the labels different colours in CVAT and export again"
            raise DataError(where, "a colour of its own for each label", f"{colours[colour]!r} and {name!r} alike", fix)
        if colour:
            colours[colour] = name
    if colours.setdefault(BLACK, None) == BACKGROUND:
        colours[BLACK] = None
    labels = {name: "#{:02x}{:02x}{:02x}".format(*colour) if colour else "" for name, colour in colour_of.items()}
    if colour_of.get(BACKGROUND) == BLACK:
        del labels[BACKGROUND]
    return colours, labels


def _colour(where: str, text: str) -> Colour | None:
    if not text.strip():
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and int(part[:4]) < 256 for part in parts):
        raise DataError(where, "a colour `red,green,blue` from 0 to 255", repr(text)[:60], AGAIN)
    red, green, blue = (int(part) for part in parts)
    return red, green, blue


def _voc_colour(place: int) -> Colour:
    """The colour of a class in VOC's palette: its bits, three by three, from the highest bit of each channel on."""
    channels = [0, 0, 0]
    for step in range(8):
        for channel in range(3):
            channels[channel] |= (place >> (3 * step + channel) & 1) << (7 - step)
    red, green, blue = channels
    return red, green, blue


def _count_boxes(export: Export, undrawn: checks.Undrawn) -> None:
    """Count the objects in VOC's XML: they have boxes, and no masks."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    for member in sorted(export.lengths):
        if not member.startswith(BOXES) or not member.endswith(".xml"):
            continue
        where = f"{export.path}: {member}"
        try:
            objects = ElementTree.fromstring(export.read(member)).findall("object")
        except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
            raise DataError(where, "well-formed XML", f"{type(error).__name__}: {error}", AGAIN) from None
        for _ in objects:
            undrawn.add("box", where)
