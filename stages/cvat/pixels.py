"""Image files of exports: whole ones only, those that need no change as they are, turned as CVAT shows them."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_bytes
from pixelproof.data.images import Array, encoded
from pixelproof.data.photos import Window, look, upright
from stages.cvat.archive import AGAIN


def place(beside: Path, where: str, content: bytes, window: Window | None) -> tuple[Path, int, int]:
    """Write a photograph as a file of the dataset: PNG and JPEG as they are, anything else as PNG.

    Labels are for the image as CVAT shows it, turned as EXIF asks. A copied file is turned whenever it is read.

    Args:
        beside: Its path without an ending.
        where: Names the photograph in errors.
        content: The file.
        window: How 16 bits per channel become 8.

    Returns:
        Its path, and its width and height once it is turned.

    Raises:
        NoWindowError: It has 16 bits per channel, and there is no window.
        DataError: It is no image, a part of one, or several.
    """
    facts = look(where, io.BytesIO(content))
    pixels = upright(where, content, facts, window)
    ending = facts.ending
    if ending and facts.orientation != 1 and not _read_the_same(content, pixels):
        ending = None
    path = beside.with_name(f"{beside.name}{ending or '.png'}")
    write_bytes(path, content if ending else encoded(where, pixels))
    return path, pixels.shape[1], pixels.shape[0]


def _read_the_same(content: bytes, pixels: Array) -> bool:
    """Whether a dataset's reader turns it too: not if only its XMP asks for it."""
    seen: Array | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return seen is not None and np.array_equal(seen[..., ::-1], pixels)


def decoded(where: str, content: bytes) -> Array:
    """A picture of labels of any kind, blue first.

    Raises:
        DataError: It is no image, or a part of one. (OpenCV by itself would fill in missing pixels.)
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise _damaged(where, content) from None
    image: Array | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise _damaged(where, content)
    return image


def with_remedy(error: DataError, remedy: str) -> DataError:
    """The error of a damaged photograph that says what to do where replacing the file is not it.

    Args:
        error: Of `look`, `stored` or `upright`.
        remedy: What to do.
    """
    said, mark, _ = str(error).rpartition("; replace the file")
    if mark:
        error.args = (f"{said}; {remedy}",)
    return error


def _damaged(where: str, content: bytes) -> DataError:
    return DataError(where, "a whole image", f"{len(content)} bytes that cannot be decoded", AGAIN)
