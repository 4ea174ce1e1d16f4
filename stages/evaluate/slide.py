"""Sliding windows: a pixel's logits are the mean over the windows that contain it.

A network is here any function from RGB images of one size to logits (NCHW): `slide` turns one into another, and so does
`augmented`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Image = NDArray[np.uint8]
Network = Callable[[list[Image]], "torch.Tensor"]


def slide(network: Network, images: list[Image], window: int, stride: int) -> torch.Tensor:
    """The logits of images from square windows, one every `stride` pixels; the mean where windows overlap.

    The last window of a row or a column is moved back to end at the image's edge: each pixel is in at least one window,
    and no window needs padding. A window is no longer than the image's side.
    """
    height, width = images[0].shape[:2]
    windows = [
        (slice(top, top + window), slice(left, left + window))
        for top in starts(height, window, stride)
        for left in starts(width, window, stride)
    ]
    if len(windows) == 1:
        return network(images)
    parts = (network([image[each] for image in images]).float() for each in windows)
    first = next(parts)
    total = first.new_zeros(*first.shape[:2], height, width)
    count = first.new_zeros(height, width)
    for (rows, columns), logits in zip(windows, chain([first], parts), strict=True):
        total[..., rows, columns] += logits
        count[rows, columns] += 1
    return total / count


def starts(length: int, window: int, stride: int) -> list[int]:
    """Where windows start along a side."""
    last = max(length - window, 0)
    return [*range(0, last, stride), last]
