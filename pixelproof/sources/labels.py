"""Read masks as publishers write them: ids, palettes or colours; and turn what they hold into class ids."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array, content_of, whole_png
from pixelproof.sources.layout import CHECK

Color = tuple[int, int, int]
SMALL = 1 << 20  # numbers of objects
MANY = 64  # colours: a mask with more is a photograph, if its image has far fewer
ID_MODES = ("1", "L", "P", "I;16", "I;16B", "I")  # one number for each pixel; for P the index, not the colour


def opened(path: Path) -> Image.Image:
    """A mask, decoded.

    Raises:
        DataError: It is missing, cut short or no image.
    """
    content = content_of(path, CHECK)
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
        if image.format != "PNG" or whole_png(content):  # Pillow forgives a missing end
            return image
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        pass
    raise DataError(path, "a whole image", f"{len(content)} bytes that do not decode", "replace the file")


def exact(path: Path) -> Image.Image:
    """A mask, decoded; no JPEG, whose pixels are not what was saved.

    Raises:
        DataError: It is missing, cut short, no image, or a JPEG whatever its name.
    """
    image = opened(path)
    if image.format == "JPEG":
        raise DataError(path, "a mask that is saved without loss", "a JPEG, which changes ids and colours", CHECK)
    return image


def read_ids(path: Path, lossy: bool = False) -> Array:
    """The numbers of a mask: grey values, or a palette's indices.

    Args:
        path: A grey or palette image, of 1, 8 or 16 bits.
        lossy: Whether it may be a JPEG.

    Raises:
        DataError: It holds colours, or is a JPEG.
    """
    image = opened(path) if lossy else exact(path)
    if image.mode not in ID_MODES:
        raise DataError(path, "a mask of ids", f"mode {image.mode}", "convert its colours to ids")
    ids: Array = np.asarray(image)
    return ids.astype(np.uint8) if ids.dtype == bool else ids


def read_colors(path: Path, lossy: bool = False) -> Array:
    """The colours of a mask, each as one number (see `packed`): RGB as it stands, palettes and grey through theirs.

    Args:
        path: The mask.
        lossy: Whether it may be a JPEG.
    """
    return colors_of(opened(path) if lossy else exact(path), path)


def colors_of(image: Image.Image, path: Path) -> Array:
    """The packed colours of a mask that is open.

    Args:
        image: The mask.
        path: Its file, for the error.

    Raises:
        DataError: Pixels of one colour differ in transparency, which would be lost.
    """
    colors = pack(np.asarray(image.convert("RGB")))
    if "A" in image.getbands():
        both = np.asarray(image.getchannel("A")).astype(np.int64) << 24 | colors
        if len(np.unique(both)) > len(np.unique(colors)):
            found = "pixels of one colour that differ in transparency, which is not read"
            raise DataError(
                path, "a mask whose colours tell the classes", found, "save what it shows as ids or colours"
            )
    return colors


def pack(rgb: Array) -> Array:
    """An RGB array as one int32 for each pixel."""
    wide = rgb.astype(np.int32)
    numbers: Array = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return numbers


def packed(color: Color) -> int:
    """A colour as one number.

    Example:
        >>> f"{packed((132, 41, 246)):06X}"
        '8429F6'
    """
    return color[0] << 16 | color[1] << 8 | color[2]


def unpacked(number: int) -> Color:
    """The colour of a number.

    Example:
        >>> unpacked(0x8429F6)
        (132, 41, 246)
    """
    return number >> 16, number >> 8 & 255, number & 255


def classes_of(path: Path, values: Array, table: Mapping[int, int], shown: str = "{}") -> Array:
    """Class ids for what a mask holds.

    Args:
        path: The mask, for the error.
        values: Its ids, or its packed colours.
        table: The class id of each value that it may hold; 255 for ignored ones.
        shown: How the error shows a value, such as `#{:06X}`.

    Raises:
        DataError: The mask holds a value that the table lacks; the message says how many pixels have it.
    """
    if values.dtype == np.uint8:  # a look-up, ten times faster
        known = np.arange(256)
        ids = np.array([table.get(value, IGNORE) for value in range(256)], np.uint8)
        place, wrong = values, np.array([value not in table for value in range(256)])[values]
    else:
        known = np.array(sorted(table))
        ids = np.array([table[int(value)] for value in known], np.uint8)
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        wrong = known[place] != values
    if wrong.any():
        found, counts = np.unique(values[wrong], return_counts=True)
        most = int(counts.argmax())
        several = f" and {len(found) - 1} other values" if len(found) > 1 else ""
        what = f"{shown.format(int(found[most]))} in {int(counts[most])} pixels{several}"
        fix = "add it to the classes, or fix the mask"
        if "X" in shown and all(packed(unpacked(int(value))[::-1]) in table for value in found):
            fix = "its red and blue are exchanged (BGR written as RGB): exchange them"
        raise DataError(path, f"one of {len(table)} known values", what, fix)
    mask: Array = ids[place]
    return mask


def numbered(objects: Array) -> Array:
    """Instance ids 1, 2, 3, ... for any numbers of objects, in their order; 0 stays 0.

    Example:
        >>> numbered(np.array([[0, 26003, 26001]])).tolist()
        [[0, 2, 1]]
    """
    if objects.size and int(objects.max()) < SMALL:  # counting is faster than sorting
        found = np.flatnonzero(np.bincount(objects.ravel()))
        order = np.zeros(int(found[-1]) + 1, np.int64)
        order[found] = np.arange(len(found))
        place = order[objects]
    else:
        found, place = np.unique(objects, return_inverse=True)
    first = 0 if len(found) and found[0] == 0 else 1
    numbers: Array = (place.reshape(objects.shape) + first).astype(np.int32)
    return numbers


def palette_of(image: Image.Image) -> list[int]:
    """The packed colours of a palette image, by index; none if it has no palette."""
    flat = image.getpalette() if image.mode == "P" else None
    return [packed((red, green, blue)) for red, green, blue in zip(*[iter(flat or [])] * 3, strict=True)]


def has_palette(path: Path) -> bool:
    """Whether a file is a palette image, by its first bytes alone."""
    try:
        with Image.open(path) as image:
            return image.mode == "P"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # reading it says what is wrong


def check_palette(path: Path, values: Array, own: list[int], other: list[int], first: Path) -> None:
    """Refuse a mask of ids whose palette gives them other colours than another mask's does.

    Args:
        path: The mask.
        values: Its ids.
        own: Its palette; a mask without one says nothing.
        other: The palette of the other mask.
        first: The other mask.

    Raises:
        DataError: One id has two colours.
    """
    for value in np.unique(values) if own and other else ():
        if value < min(len(own), len(other)) and own[value] != other[value]:
            raise DataError(
                path, f"a palette with #{other[value]:06X} as {value}, as {first.name} has", f"#{own[value]:06X}",
                "their orders differ, so ids do not tell the classes: `bin/pixelproof init` then reads colours",
            )  # fmt: skip


def check_not_swapped(image: Path, mask: Path) -> None:
    """Refuse a mask with many colours whose image has few.

    Args:
        image: The image.
        mask: The mask, which did not read as one.

    Raises:
        DataError: They seem to be in each other's folder.
    """
    colors = [len(np.unique(pack(np.asarray(opened(path).convert("RGB"))))) for path in (image, mask)]
    if colors[1] > max(MANY, 4 * colors[0]):
        found = f"a picture of {colors[1]} colours, whose image has {colors[0]}"
        raise DataError(mask, "a mask", found, "the folders of images and of masks seem to be swapped")


def voc_palette(count: int) -> list[Color]:
    """The colours of the Pascal VOC palette, in which each class id's bits are spread over red, green and blue.

    Example:
        >>> voc_palette(4)
        [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
    """
    return [(_spread(number), _spread(number >> 1), _spread(number >> 2)) for number in range(count)]


def _spread(bits: int) -> int:
    return sum((bits >> 3 * step & 1) << 7 - step for step in range(8))


def ignored(count: int) -> dict[int, int]:
    """A table for masks that hold class ids already: themselves, and 255 for ignored pixels."""
    return {number: number for number in range(count)} | {IGNORE: IGNORE}
