"""Image files of a dataset: written with the same bytes every time, and decoded only if they are complete."""

from __future__ import annotations

import re
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
JPEG_START = b"\xff\xd8\xff"
ENDINGS = {PNG_SIGNATURE: ".png", JPEG_START: ".jpg"}  # of copied images, by how they begin
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # in the data of a JPEG: not an escaped byte, not a restart
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


def image_file(where: str, image: Array | Path, size: tuple[int, int]) -> tuple[str, bytes | Path]:
    """The extension of an image's file, and what it holds: a path stands for the bytes of that file.

    Args:
        where: Names it in errors.
        image: An RGB array, or the path of a PNG or JPEG.
        size: Its height and width.

    Raises:
        DataError: The file is of another kind or cannot be read, or the array has another size or type.
    """
    if isinstance(image, Path):
        head = _head_of(image, max(map(len, ENDINGS)))
        ending = next((ending for start, ending in ENDINGS.items() if head.startswith(start)), None)
        if ending is None:
            raise DataError(where, "a PNG or a JPEG", image.name, "convert it")
        return ending, image
    if image.shape != (*size, 3) or image.dtype != np.uint8:
        raise DataError(where, f"an RGB image of {size} in uint8", f"{image.shape} {image.dtype}", "check the source")
    return ".png", encoded(where, image)


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


def content_of(path: Path, remedy: str = REBUILD) -> bytes:
    """The contents of a dataset's file.

    Args:
        path: The file.
        remedy: What to do if it cannot be read.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(path, "a file", reason(error), remedy) from None


def _head_of(path: Path, length: int) -> bytes:
    """The first bytes of a file, by which its kind is told."""
    try:
        with path.open("rb") as file:
            return file.read(length)
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
