"""Photographs as they come, told by content and not by name: what they are, and their pixels as 8-bit RGB.

Grey becomes equal red, green and blue; transparency is dropped. 16 bits per channel become 8 through a window that
somebody stated, never by cutting bits off. What is no single photograph is refused in one line.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from pixelproof.core.errors import DataError
from pixelproof.core.params import Section
from pixelproof.data import tiff
from pixelproof.data.images import PNG_SIGNATURE, Array, whole_jpeg, whole_png

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "GIF")  # of Pillow, beside TIFF, which GDAL reads
COPIED = {"PNG": ".png", "JPEG": ".jpg"}  # formats that a dataset holds
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # of Pillow: 8 bits or fewer
FLAT = ("1", "L", "P", "RGB", "CMYK")  # those that need no change in a PNG or JPEG; CMYK is in published data alone
ORIENTATION = 0x0112  # the EXIF tag
MOST_PIXELS = 1 << 30  # OpenCV's limit
BOMB = (1 << 28, 200)  # bytes, and times the file's length: an image beyond both was made to exhaust memory
PERCENTILES = (0.005, 0.995)
DEPTH = 1 << 16
REPLACE = "replace the file, or leave it out"
TILES = "cut it into tiles"
INKS = "convert it to RGB with its colour profile"


class NoWindowError(DataError):
    """An image has 16 bits per channel, and nothing says how they become 8."""


class Window(Section):
    """Which part of 16 bits is seen: a straight line from `low`, black, to `high`, white, the same for all channels."""

    low: int = Field(ge=0, lt=DEPTH, description="this value and all below become 0")
    high: int = Field(gt=0, lt=DEPTH, description="this value and all above become 255")

    @field_validator("high")
    @classmethod
    def _in_order(cls, high: int, info: ValidationInfo) -> int:
        if high <= info.data.get("low", -1):
            raise ValueError(f"expected more than low, {info.data['low']}")
        return high

    def __str__(self) -> str:
        """As dataset.json has it, and as it is written into params.yaml."""
        return f"{{low: {self.low}, high: {self.high}}}"

    @staticmethod
    def stated(text: str) -> Window:
        """That which dataset.json states.

        Args:
            text: As `str` gives it.

        Raises:
            ValueError: It is none.

        Example:
            >>> Window.stated("{low: 0, high: 4095}")
            Window(low=0, high=4095)
        """
        found = re.fullmatch(r"\{low: (\d+), high: (\d+)\}", text)
        if not found:
            raise ValueError(f"no window: {text!r}")
        return Window(low=int(found[1]), high=int(found[2]))

    def seen(self, values: Array) -> Array:
        """Values of 16 bits as 8.

        Example:
            >>> Window(low=100, high=355).seen(np.array([0, 100, 101, 355, 65535], np.uint16)).tolist()
            [0, 0, 1, 255, 255]
        """
        line = (np.arange(DEPTH) - self.low) * 255 / (self.high - self.low)
        table: Array = np.rint(line.clip(0, 255)).astype(np.uint8)
        found: Array = table[values]
        return found


@dataclass(frozen=True)
class Facts:
    """What the beginning of a photograph's file says."""

    kind: str  # PNG, JPEG, TIFF, or what else Pillow calls it
    mode: str  # as Pillow calls it
    width: int  # as stored
    height: int
    orientation: int  # of EXIF: 1 is upright
    bits: int  # per channel
    inverted: bool = False  # 0 is white

    @property
    def deep(self) -> bool:
        """Whether it needs a window."""
        return self.bits > 8

    @property
    def ending(self) -> str | None:
        """The ending of its copy in a dataset, if no byte has to change."""
        return COPIED.get(self.kind) if self.mode in FLAT and not self.deep else None


def look(where: Path | str, stream: BinaryIO, published: bool = False) -> Facts:
    """What a photograph is, from the beginning of its file.

    Args:
        where: Names it in errors.
        stream: The file.
        published: Whether it is of a published dataset, whose inks (CMYK) and first frames of GIFs are taken.

    Raises:
        DataError: It is no image, several, more than any photograph has pixels, or of a kind that has no 8-bit RGB.
    """
    length = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(26)
    facts = _tiff(where, stream) if head.startswith(tiff.STARTS) else _other(where, stream, head, published)
    pixels = facts.width * facts.height
    weight = pixels * 3 * (2 if facts.deep else 1)
    if pixels > MOST_PIXELS:
        raise DataError(where, f"at most {MOST_PIXELS} pixels", f"{facts.width}x{facts.height}", TILES)
    if weight > max(BOMB[0], BOMB[1] * length):
        raise DataError(where, "a photograph", f"{weight} bytes of pixels in a file of {length}", REPLACE)
    return facts


def _tiff(where: Path | str, stream: BinaryIO) -> Facts:
    try:
        found = tiff.pages(stream)
        page = found[0]
        width, height = page[tiff.WIDTH][0], page[tiff.HEIGHT][0]
    except (ValueError, LookupError, OSError, OverflowError):
        raise _damaged(where, stream) from None
    samples, colors = page.get(tiff.SAMPLES, (1,))[0], page.get(tiff.COLORS, (1,))[0]
    bits, form = max(page.get(tiff.BITS, (1,))), max(page.get(tiff.FORMAT, (1,)))
    for right, expected, is_found, fix in (
        (len(found) == 1, "an image of one page", f"{len(found)} pages", "keep the one that was labelled"),
        (colors in tiff.COLORED, "grey or RGB", "CMYK" if colors == 5 else f"colours of kind {colors}", INKS),
        (form == 1 and bits <= 16, "8 or 16 bits", f"{bits} bits{_FORMS.get(form, '')}", _RESCALE),
        (samples in (1, 3, 4) or (samples == 2 and colors < 2), "1, 3 or 4 bands", f"{samples} bands", _BANDS),
    ):
        if not right:
            raise DataError(where, expected, is_found, fix)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples]
    orientation = page.get(tiff.ORIENTATION, (1,))[0]
    return Facts("TIFF", mode, width, height, orientation, bits, colors == tiff.WHITE_IS_ZERO)


_FORMS = {2: " with a sign", 3: ", floating point"}
_RESCALE = "convert it to 8 or 16 bits without a sign, the same way for all images"
_BANDS = "keep the three that people see as red, green and blue"


def _other(where: Path | str, stream: BinaryIO, head: bytes, published: bool) -> Facts:
    from PIL import Image

    if head[4:8] == b"ftyp":
        raise DataError(where, "an image", "HEIC, AVIF or a video", "convert it to PNG or JPEG")
    try:
        with warnings.catch_warnings(action="ignore"):
            image = Image.open(stream, formats=FORMATS)
            orientation, frames = image.getexif().get(ORIENTATION, 1), getattr(image, "n_frames", 1)
    except Image.DecompressionBombError:
        found = "more, or a file that was made to exhaust memory"
        raise DataError(where, f"at most {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels", found, TILES) from None
    except Exception:  # whatever a decoder raises on a damaged file
        raise _damaged(where, stream) from None
    kind = "JPEG" if image.format == "MPO" else image.format or ""  # MPO: with other views behind it
    if frames > 1 and kind != "JPEG" and not (published and kind == "GIF"):
        raise DataError(where, "one image", f"{frames} frames", "keep the one that was labelled")
    bits = 16 if kind == "PNG" and head[24] == 16 else 8
    if image.mode not in MODES and bits == 8 and not (published and image.mode == "CMYK"):
        raise DataError(where, "grey or RGB of 8 or 16 bits", image.mode, INKS)
    turned = orientation if orientation in range(1, 9) else 1
    return Facts(kind, image.mode, *image.size, turned, bits)


def stored(where: Path | str, content: bytes, facts: Facts, window: Window | None = None) -> Array:
    """The RGB pixels of a photograph, in the rows and columns in which its file has them.

    Args:
        where: Names it in errors.
        content: The file.
        facts: What `look` says of it.
        window: How 16 bits become 8.

    Raises:
        NoWindowError: It has 16 bits, and there is no window.
        DataError: It is damaged.
    """
    if not facts.deep:
        return _rgb(_eight(where, content, facts))
    if window is None:
        raise NoWindowError(
            where, "8 bits per channel, or a window", f"{facts.bits} bits", "convert it, or state a window"
        )
    return _rgb(window.seen(deep_values(where, content, facts)))


def upright(where: Path | str, content: bytes, facts: Facts, window: Window | None = None) -> Array:
    """The same, turned as EXIF asks: as cameras, browsers and CVAT show it. See `stored`."""
    return turned(stored(where, content, facts, window), facts.orientation)


def turned(pixels: Array, orientation: int) -> Array:
    """Pixels that were stored in one of EXIF's eight orientations, as they are to be seen.

    Example:
        >>> turned(np.array([[1, 2, 3]]), 6).tolist()  # a quarter turn clockwise
        [[1], [2], [3]]
    """
    axes = (1, 0, *range(2, pixels.ndim))
    first = pixels.transpose(axes) if orientation >= 5 else pixels
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(first[rows, columns])


def deep_values(where: Path | str, content: bytes, facts: Facts) -> Array:
    """The numbers of an image of 16 bits, height x width x 1 or 3.

    Raises:
        DataError: It is damaged.
    """
    if facts.kind == "TIFF":
        values = _channels(tiff.bands(where, content))
        return (1 << facts.bits) - 1 - values if facts.inverted else values
    pixels = _decoded(where, content, cv2.IMREAD_UNCHANGED)
    colored = pixels.ndim == 3 and facts.mode not in ("I;16", "LA", "L", "I")
    return pixels[..., 2::-1] if colored else pixels.reshape(*pixels.shape[:2], -1)[..., :1]


def _eight(where: Path | str, content: bytes, facts: Facts) -> Array:
    if facts.kind in COPIED:
        pixels: Array = _decoded(where, content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        return pixels[..., ::-1]
    if facts.kind != "TIFF":
        return _by_pillow(where, content)
    values = _channels(tiff.bands(where, content))
    if facts.bits < 8 and values.shape[2] == 1:
        values = (values.astype(np.uint16) * 255 // ((1 << facts.bits) - 1)).astype(np.uint8)
    return 255 - values if facts.inverted else values


def _by_pillow(where: Path | str, content: bytes) -> Array:
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return np.asarray(image.convert("RGB"))
    except Exception:  # whatever a decoder raises on a damaged file
        raise _damaged(where, io.BytesIO(content)) from None


def _decoded(where: Path | str, content: bytes, flags: int) -> Array:
    """A PNG or a JPEG of which no byte is missing. (OpenCV by itself would fill in pixels.)"""
    whole = whole_png(content) if content.startswith(PNG_SIGNATURE) else whole_jpeg(content)
    pixels: Array | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if whole else None
    if pixels is None:
        raise _damaged(where, io.BytesIO(content))
    return pixels


def _channels(values: Array) -> Array:
    """The first or the first three bands; further ones are transparency."""
    return values[..., :3] if values.shape[2] >= 3 else values[..., :1]


def _rgb(values: Array) -> Array:
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))


def _damaged(where: Path | str, stream: BinaryIO) -> DataError:
    found = f"{stream.seek(0, io.SEEK_END)} bytes that cannot be decoded"
    return DataError(where, "a whole image", found, REPLACE)


# --- the window of a dataset -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What the images of 16 bits among some photographs hold."""

    images: int
    first: str
    window: Window

    def told(self, key: str) -> str:
        """What `init` says of it.

        Args:
            key: Of params.yaml.
        """
        shares = f"{PERCENTILES[0]:.1%} and {PERCENTILES[1]:.1%} percentiles"
        images = "1 image has" if self.images == 1 else f"{self.images} images have"
        return f"{images} 16 bits per channel: {key} is {self.window}, the {shares}"

    def refusal(self, key: str) -> NoWindowError:
        """The error of a stage that is given no window.

        Args:
            key: Of params.yaml.
        """
        found = f"16 bits per channel ({self.images} such images)"
        fix = (
            f"the {PERCENTILES[0]:.1%} and {PERCENTILES[1]:.1%} percentiles give `{key}: {self.window}` in params.yaml"
        )
        return NoWindowError(self.first, "8 bits per channel, or a window", found, fix)


def measure(photographs: Iterable[tuple[str, Callable[[], BinaryIO]]]) -> Measured | None:
    """The window between two percentiles of all values of all images of 16 bits; None if there are none.

    Args:
        photographs: What names each of them in errors, and what opens it.

    Raises:
        DataError: One of them cannot be used.
    """
    counts, found = np.zeros(DEPTH, np.int64), []
    for where, opened in photographs:
        with opened() as stream:
            facts = look(where, stream)
            if facts.deep:
                stream.seek(0)
                values = deep_values(where, stream.read(), facts)
                counts += np.bincount(values.ravel(), minlength=DEPTH)
                found.append(where)
    if not found:
        return None
    below = counts.cumsum()
    low, high = (int(np.searchsorted(below, share * below[-1])) for share in PERCENTILES)
    low = min(low, DEPTH - 2)
    return Measured(len(found), found[0], Window(low=low, high=max(high, low + 1)))
