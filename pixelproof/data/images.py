"""Image files of a dataset: written with the same bytes every time, and decoded only if they are complete."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_bytes
from pixelproof.core.links import link

PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
REBUILD = "rebuild the folder with the stage that wrote it"

Array = NDArray[Any]


@dataclass(frozen=True)
class Files:
    """What the files of one image hold."""

    ending: str  # of the image's
    image: bytes | Path  # a path: of the file whose bytes it has
    mask: bytes
    instances: bytes | None

    def write(self, folder: Path, name: str) -> None:
        """Write them to the folder of a split; an image that is there already stays.

        Raises:
            DataError: The image's file cannot be read.
        """
        target = folder / "images" / f"{name}{self.ending}"
        if isinstance(self.image, bytes):
            write_bytes(target, self.image)
        elif self.image != target:
            linked(self.image, target)
        write_bytes(folder / "masks" / f"{name}.png", self.mask)
        if self.instances is not None:
            write_bytes(folder / "instances" / f"{name}.png", self.instances)


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
    whole = whole_png(content) if path.suffix.lower() == ".png" else content.rstrip(b"\x00").endswith(b"\xff\xd9")
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


def linked(source: Path, target: Path) -> None:
    """Give an image that needs no change its place in a dataset; see `pixelproof.core.links`.

    Raises:
        DataError: It cannot be read.
    """
    try:
        link(source, target)
    except OSError as error:
        if source.is_file():  # it is the disk, then
            raise
        raise DataError(source, "a file", reason(error), REBUILD) from None


def as_uint16(where: str, instances: Array) -> Array:
    """Instance ids as they are written.

    Raises:
        DataError: They are not whole numbers from 0 to 65535.
    """
    low, high = (int(instances.min()), int(instances.max())) if instances.size else (0, 0)
    if instances.dtype.kind not in "iu" or low < 0 or high > 65535:
        raise DataError(where, "whole numbers from 0 to 65535", f"{low} to {high} ({instances.dtype})", "renumber them")
    return instances.astype(np.uint16)
