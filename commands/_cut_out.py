"""Cuts the pixels of some classes out of images: onto nothing, or onto another photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from commands._images import read_photo, window_of
from pixelproof.core.errors import StateError, nearest
from pixelproof.core.files import write_bytes
from pixelproof.data.dataset import Header
from pixelproof.data.images import Array, write_png
from pixelproof.data.resize import resize_image


@dataclass(frozen=True)
class Scissors:
    """What is cut out, and what it is laid over."""

    classes: Sequence[int]
    onto: Array | None  # another photo; None for nothing, which is transparent

    @classmethod
    def of(cls, names: Sequence[str], onto: Path | None, header: Header) -> Scissors | None:
        """Those that were asked for; None if nothing is to be cut out.

        Raises:
            StateError: A class is unknown, or there is a photo and nothing to lay over it.
            DataError: The photo cannot be used.
        """
        known = header.names()
        for name in names:
            if name not in known:
                fix = f"name some of {', '.join(known)}{nearest(name, known)}, separated by commas"
                raise StateError(f"--cut-out {name}", "no such class", fix)
        if onto and not names:
            raise StateError("--onto", "nothing is cut out", "name classes with --cut-out, or leave --onto away")
        photo = read_photo(onto, window_of(header)) if onto else None
        return cls([known.index(name) for name in names], photo) if names else None

    def write(self, path: Path, image: Array, labels: NDArray[np.uint8]) -> None:
        """Write the pixels of an image that are of the classes, as a PNG of the image's size."""
        kept = np.isin(labels, self.classes)
        if self.onto is not None:
            write_png(path, np.where(kept[..., None], image, covering(self.onto, *labels.shape)))
            return
        # Without the colours below: what is cut away must not come back when somebody drops the transparency.
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) * kept[..., None]
        write_bytes(path, cv2.imencode(".png", np.dstack([bgr, np.uint8(255) * kept]))[1].tobytes())


def covering(photo: Array, height: int, width: int) -> Array:
    """The middle of a photo, scaled at its own aspect ratio until it covers this size."""
    scale = max(height / photo.shape[0], width / photo.shape[1])
    rows, columns = (max(1, round(side / scale)) for side in (height, width))
    top, left = (photo.shape[0] - rows) // 2, (photo.shape[1] - columns) // 2
    return resize_image(photo[top : top + rows, left : left + columns], width, height)
