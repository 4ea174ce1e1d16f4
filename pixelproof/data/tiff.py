"""What a TIFF says of itself, read without decoding it; and its pixels, places and scales, through GDAL."""

from __future__ import annotations

import io
import logging
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.images import Array

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of a TIFF and of a BigTIFF
KIND, WIDTH, HEIGHT, BITS, COLORS, ORIENTATION, SAMPLES, FORMAT = 254, 256, 257, 258, 262, 274, 277, 339
INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # types of values, as `struct` calls them
REDUCED = 0b101  # bits of KIND: a smaller copy, or a mask of transparency, and no page
WHITE_IS_ZERO, PALETTE = 0, 3
COLORED = (0, 1, 2, 3, 6)  # COLORS that are grey, RGB, a palette or YCbCr; others are inks, raw cameras, ...
MOST = 1000  # pages, and tags of a page, that are looked at

Tags = dict[int, tuple[int, ...]]


def pages(stream: BinaryIO) -> list[Tags]:
    """The whole numbers that each page of a TIFF states, by tag; smaller copies of a page are none.

    Args:
        stream: The file, at any place.

    Raises:
        ValueError: It is cut short, or leads in a circle.
    """
    stream.seek(0)
    head = _read(stream, 16)
    order, big = "<>"[head[:1] == b"M"], head[2:4] in (b"+\0", b"\0+")
    (at,) = struct.unpack(f"{order}Q" if big else f"{order}I", head[8:16] if big else head[4:8])
    found, seen = [], set[int]()
    while at:
        if at in seen or len(seen) == MOST:
            raise ValueError("pages without end")
        seen.add(at)
        page, at = _page(stream, at, order, big)
        if not page.get(KIND, (0,))[0] & REDUCED:
            found.append(page)
    return found


def _page(stream: BinaryIO, at: int, order: str, big: bool) -> tuple[Tags, int]:
    """The tags at a place, and the place of the next page."""
    size, entry, number = (8, f"{order}HHQ8s", f"{order}Q") if big else (4, f"{order}HHI4s", f"{order}I")
    stream.seek(at)
    count_of = f"{order}Q" if big else f"{order}H"
    (count,) = struct.unpack(count_of, _read(stream, struct.calcsize(count_of)))
    if count > MOST:
        raise ValueError("too many tags")
    length = struct.calcsize(entry)
    table, (following,) = _read(stream, count * length), struct.unpack(number, _read(stream, size))
    tags: Tags = {}
    for place in range(0, len(table), length):
        tag, kind, many, value = struct.unpack(entry, table[place : place + length])
        if kind in INTEGERS and 0 < many <= MOST:
            form = f"{order}{many}{INTEGERS[kind]}"
            if (needed := struct.calcsize(form)) > size:
                stream.seek(struct.unpack(number, value)[0])
                value = _read(stream, needed)
            tags[tag] = struct.unpack(form, value[:needed])
    return tags, following


def _read(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise ValueError("cut short")
    return content


# --- through GDAL ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where an image lies on the ground."""

    crs: Any  # a rasterio CRS
    transform: Any  # an Affine: from columns and rows to coordinates
    metres: tuple[float, float]  # that a pixel covers along a row and along a column


@contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    """The file in GDAL, which is told nothing but its bytes, and tries no other format."""
    from rasterio.io import MemoryFile

    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what fails is raised as well
    with warnings.catch_warnings(action="ignore"), MemoryFile(content) as file, file.open(driver="GTiff") as opened:
        yield opened


def bands(where: Path | str, content: bytes) -> Array:
    """The bands of a TIFF's first page as stored, height x width x bands; a palette becomes its colours.

    Args:
        where: Names it in errors.
        content: The file.

    Raises:
        DataError: It is damaged.
    """
    from rasterio.errors import RasterioError

    (page, *_) = pages(io.BytesIO(content))
    try:
        with _opened(content) as opened:
            stored: Array = np.moveaxis(opened.read(), 0, 2)
            if page.get(COLORS, (1,))[0] != PALETTE:
                return stored
            colors = np.zeros((256, 3), np.uint8)
            for number, color in opened.colormap(1).items():
                colors[number] = color[:3]
    except (RasterioError, ValueError, MemoryError):
        raise DataError(
            where, "a whole image", f"{len(content)} bytes that do not decode", "replace the file"
        ) from None
    shown: Array = colors[stored[..., 0]]
    return shown


def place_of(content: bytes) -> Place | None:
    """Where a TIFF says that it lies; None if it does not, or says it in a way that cannot be used.

    An image that is to be turned is nowhere: its rows are not those of the coordinates.

    Args:
        content: Any file.
    """
    if not content.startswith(STARTS):
        return None
    from rasterio.errors import RasterioError

    try:
        (page, *_) = pages(io.BytesIO(content))
        with _opened(content) as opened:
            crs, transform, size = opened.crs, opened.transform, opened.shape
        if crs is None or transform.is_identity or page.get(ORIENTATION, (1,))[0] != 1:
            return None
        metres = pixel_metres(crs, transform, *size)
    except (RasterioError, ValueError):
        return None
    return Place(crs, transform, metres) if all(math.isfinite(n) and n > 0 for n in metres) else None


def pixel_metres(crs: Any, transform: Any, height: int, width: int) -> tuple[float, float]:
    """The metres on the ground that the pixel in the middle covers along a row and along a column.

    A projected system's own units are taken where they are true within 1 %. Those of Web Mercator are not (at 50
    degrees they are 1.5 times too long), and degrees are none: there the ellipsoid is measured.

    Args:
        crs: A rasterio CRS.
        transform: From columns and rows to its coordinates.
        height: Of the image.
        width: Of the image.

    Raises:
        CRSError: The system cannot be converted to degrees. (It is one of rasterio's.)
        ValueError: The place is not on the Earth.
    """
    from rasterio.warp import transform as converted

    row, column = height / 2, width / 2
    corners = [transform @ (column + x, row + y) for x, y in ((0, 0), (1, 0), (0, 1))]
    east, north = (np.radians(values) for values in converted(crs, "EPSG:4326", *map(list, zip(*corners, strict=True))))
    if not abs(north[0]) <= math.pi / 2:
        raise ValueError("beyond the poles")
    flat = 1 - 0.00669437999014 * math.sin(north[0]) ** 2  # of WGS 84: its eccentricity squared, its half axis
    along = 6378137.0 / math.sqrt(flat) * math.cos(north[0])
    across = 6378137.0 * (1 - 0.00669437999014) / flat**1.5
    true = tuple(math.hypot(along * (east[i] - east[0]), across * (north[i] - north[0])) for i in (1, 2))
    if crs.is_projected:
        unit = crs.linear_units_factor[1]
        said = (unit * math.hypot(transform.a, transform.d), unit * math.hypot(transform.b, transform.e))
        if all(abs(one / other - 1) <= 0.01 for one, other in zip(said, true, strict=True) if other):
            return said
    return true[0], true[1]
