"""Photographs as they were published, copied where nothing has to change; told by content and not by name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from pixelproof.core.errors import DataError
from pixelproof.data.images import Array, content_of, decode

COPIED = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg")}  # formats that a dataset holds, with their endings
ORIENTATION = 0x0112  # the EXIF tag
FLAT = ("1", "L", "P", "RGB", "CMYK", "YCbCr")  # modes of 8 bits without transparency
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")


def photo(path: Path) -> tuple[Path | Array, int, int]:
    """A photograph for `SplitWriter.add`, with the height and the width of its pixels as they are stored.

    Masks are drawn on the stored pixels, so a camera's note that the image is to be turned is not followed: such an
    image is written anew without it. So is one whose ending is of another format, or which is transparent.

    Args:
        path: An image of 8 bits in any format that Pillow reads.

    Returns:
        The path itself if its file can be copied byte for byte, otherwise the pixels as RGB; its height; its width.

    Raises:
        DataError: The file is no whole image, has more than 8 bits, or has several pages.
    """
    kind, mode, turned, pages = _facts(path)
    if mode.startswith(("I", "F")):
        raise DataError(
            path, "an image of 8 bits", f"mode {mode}", "convert it to 8 bits, with the same window for all"
        )
    if pages > 1 and kind != "GIF":
        raise DataError(path, "an image of one page", f"{pages} pages", "keep the one that was labelled")
    if kind in COPIED and path.suffix.lower() in COPIED[kind]:
        pixels = decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if mode in FLAT and not turned:
            return path, *pixels.shape[:2]
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), *pixels.shape[:2]
    with _opened(path) as image:
        rgb = np.asarray(image.convert("RGB"))
    return rgb, *rgb.shape[:2]


def _facts(path: Path) -> tuple[str, str, bool, int]:
    """Format, mode, whether EXIF asks to turn it, and the number of pages; without decoding the pixels."""
    with _opened(path, load=False) as image:
        return image.format or "", image.mode, image.getexif().get(ORIENTATION, 1) != 1, getattr(image, "n_frames", 1)


def _opened(path: Path, load: bool = True) -> Image.Image:
    try:
        image = Image.open(path)
        if load:
            image.load()
        return image
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        found = f"{len(content_of(path))} bytes that do not decode"
        raise DataError(path, "a whole image", found, "replace the file") from None
