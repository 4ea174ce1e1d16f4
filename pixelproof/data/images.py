"""Image files of a dataset: written with the same bytes every time, and decoded only if they are complete."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_bytes

PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # in the data of a JPEG: not an escaped byte, not a restart
REBUILD = "rebuild the folder with the stage that wrote it"

Array = NDArray[Any]


def write_png(path: Path, array: Array) -> None:
    """Write a PNG (uint8 RGB; uint8 or uint16 grey) with fixed settings: the same array gives the same bytes."""
    write_bytes(path, encoded(path, array))


def encoded(where: Path | str, array: Array) -> bytes:
    """The array as the bytes of a PNG; `where` names it in errors."""
    done, content = cv2.imencode(".png", cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.ndim == 3 else array, PNG)
    if not done:
        raise DataError(where, "an array that PNG can hold", f"{array.shape} {array.dtype}", "check the source")
    return bytes(content.tobytes())


def decode(path: Path, flags: int) -> Array:
    """Decode an image file.

    Args:
        path: A .png or a JPEG file.
        flags: OpenCV's, such as `cv2.IMREAD_COLOR`.

    Raises:
        DataError: The file is damaged. (OpenCV by itself would silently fill in missing pixels.)
    """
    content = content_of(path)
    whole = whole_png(content) if path.suffix.lower() == ".png" else whole_jpeg(content)
    try:
        array: Array | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if whole else None
    except cv2.error:  # more pixels than OpenCV allows
        array = None
    if array is None:
        expected, found = f"a whole {path.suffix[1:].upper()} image", f"{len(content)} bytes that do not decode"
        raise DataError(path, expected, found, "replace the file")
    return array


def whole_png(content: bytes) -> bool:
    """Whether every chunk's checksum is right and the file ends with the last chunk: no byte is missing or changed."""
    data, at, kind = memoryview(content), len(PNG_SIGNATURE), b""
    if not content.startswith(PNG_SIGNATURE):
        return False
    while at < len(content):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return False
        kind, at = bytes(data[at + 4 : at + 8]), end + 4
    return kind == b"IEND" and at == len(content)


def whole_jpeg(content: bytes) -> bool:
    """Whether a JPEG has its end; what follows it does not matter.

    Phones append previews, second views and zeros, each perhaps with an end of its own: so the markers are followed
    from the beginning.
    """
    at = 2
    while content.startswith(JPEG_START) and (marker := MARKER.match(content, at)):
        kind, at = marker[1][0], marker.end()
        if kind == 0xD9:  # the end
            return True
        if kind == 0xD8:  # another image begins within this one
            return False
        at += int.from_bytes(content[at : at + 2], "big")
        if kind == 0xDA:  # a scan: data of any length follows
            found = MARKER.search(content, at)
            at = found.start() if found else len(content)
    return False


def content_of(path: Path) -> bytes:
    """The contents of a dataset's file.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(path, "a file", reason(error), REBUILD) from None


def reason(error: OSError) -> str:
    """Why a file could not be read, in lower case for use inside a message."""
    return (error.strerror or str(error)).lower()
