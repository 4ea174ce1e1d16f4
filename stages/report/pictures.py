"""Images for the page: no larger than they are shown, with the same bytes for the same pixels.

Photos are JPEGs, and label maps for pages without scripts are PNGs with a palette, both as data URIs. Maps that a
script draws are packed: one byte per pixel, deflated together. The script thus gets the exact bytes; a browser may
change the pixels of a picture that it decodes, on purpose (against fingerprinting) or by colour management.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import Header, Sample
from pixelproof.data.images import Array

WIDTH = 360  # pixels: wide enough for the gallery, small enough to send the page by mail
QUALITY = 80  # of photos, which are JPEGs; label maps are lossless


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Images spread evenly over a split, one of each group while there are enough groups."""
    first = {sample.group: sample for sample in reversed(samples)}
    pool = [first[group] for group in sorted(first)] if len(first) >= count else list(samples)
    count = min(count, len(pool))
    return [pool[(2 * i + 1) * len(pool) // (2 * count)] for i in range(count)]


def colours(header: Header) -> NDArray[np.uint8]:
    """RGBA by class id; ignored pixels are transparent."""
    palette = np.zeros((256, 4), np.uint8)
    for info in header.classes:
        palette[info.id] = (*info.color, 255)
    return palette


def photo(image: Array, width: int = WIDTH) -> str:
    """A photo as a data URI."""
    shrunk = cv2.cvtColor(shrink(image, cv2.INTER_AREA, width), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", shrunk, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return uri("jpeg", encoded.tobytes())


def painted(mask: Array, palette: NDArray[np.uint8], width: int = WIDTH) -> str:
    """A label map in the colours of a palette (RGBA by label), as a data URI: a PNG with that palette."""
    from io import BytesIO

    from PIL import Image

    labels = shrink(mask, cv2.INTER_NEAREST, width)
    used, indices = np.unique(labels, return_inverse=True)
    image = Image.fromarray(indices.reshape(labels.shape).astype(np.uint8), mode="P")
    image.putpalette(palette[used].ravel().tolist(), rawmode="RGBA")
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return uri("png", file.getvalue())


def packed(maps: Sequence[Array], width: int = WIDTH) -> str:
    """Maps of one size with one byte per pixel, one after another: deflated (zlib), in base64."""
    content = b"".join(shrink(each, cv2.INTER_NEAREST, width).tobytes() for each in maps)
    return base64.b64encode(zlib.compress(content, 9)).decode()


def shrink(array: Array, how: int, width: int = WIDTH) -> Array:
    """Shrink an array to the width that the page needs."""
    height, own = array.shape[:2]
    if own <= width:
        return array
    smaller: Array = cv2.resize(array, (width, max(1, round(height * width / own))), interpolation=how)
    return smaller


def uri(kind: str, content: bytes) -> str:
    """An image file as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
