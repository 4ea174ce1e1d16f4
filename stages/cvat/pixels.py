"""Image files of exports: whole ones only, those that need no change as they are."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_bytes
from pixelproof.data.images import PNG_SIGNATURE, Array, decode, encoded
from stages.cvat.archive import AGAIN

COPIED = {PNG_SIGNATURE: ".png", b"\xff\xd8\xff": ".jpg"}  # how files begin that are copied as they are


def place(beside: Path, where: str, content: bytes) -> tuple[Path, int, int]:
    """Write a photograph as a file of the dataset: PNG and JPEG as they are, anything else as PNG.

    Args:
        beside: Its path without an ending.
        where: Names the photograph in errors.
        content: The file.

    Returns:
        Its path, width and height.

    Raises:
        DataError: It is no image, or a part of one.
    """
    suffix = next((ending for start, ending in COPIED.items() if content.startswith(start)), None)
    path = beside.with_name(f"{beside.name}{suffix or '.png'}")
    if suffix is None:
        content = encoded(where, cv2.cvtColor(decoded(where, content), cv2.COLOR_BGR2RGB))
    write_bytes(path, content)
    try:
        image = decode(path, cv2.IMREAD_COLOR)
    except DataError:
        raise _damaged(where, content) from None
    return path, image.shape[1], image.shape[0]


def decoded(where: str, content: bytes) -> Array:
    """An image of any kind, blue first.

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


def _damaged(where: str, content: bytes) -> DataError:
    return DataError(where, "a whole image", f"{len(content)} bytes that cannot be decoded", AGAIN)
