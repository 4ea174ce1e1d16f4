"""Images turned around their centre, and probabilities turned back.

Positions are whole numbers of 1/32 of a pixel, and pixels are mixed in whole numbers, so that every processor gives the
same bytes. The corners that turning leaves empty are filled with the image's reflection, as a network has seen no edges
of black; what it says there, or where such a pixel would be mixed in, does not count.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.evaluate.slide import Image

if TYPE_CHECKING:
    import torch

PARTS = 32  # of a pixel
ONE = 2**20  # sine and cosine are whole numbers of this part: 0.004 pixels in an image of 4,096
Whole = NDArray[np.int64]


class Corner(NamedTuple):
    """One of the four pixels around each place that an image's pixels come from; their weights add up to 1,024."""

    rows: Whole
    columns: Whole
    weight: Whole


def places(height: int, width: int, degrees: float) -> tuple[Whole, Whole]:
    """Where each pixel of a turned image comes from: its row and its column, in 1/32 of a pixel."""
    angle = math.radians(degrees)
    cosine, sine = round(math.cos(angle) * ONE), round(math.sin(angle) * ONE)
    down, right = np.ogrid[1 - height : height : 2, 1 - width : width : 2]  # from the centre, in half pixels
    shift = (2 * ONE // PARTS).bit_length() - 1
    rows = cosine * down - sine * right + (height - 1) * ONE
    columns = cosine * right + sine * down + (width - 1) * ONE
    half = 1 << (shift - 1)
    return (rows + half) >> shift, (columns + half) >> shift


def corners(height: int, width: int, degrees: float) -> list[Corner]:
    """The pixels that are mixed; they may lie outside the image."""
    (row, down), (column, right) = (np.divmod(place, PARTS) for place in places(height, width, degrees))
    vertical, horizontal = ((row, PARTS - down), (row + 1, down)), ((column, PARTS - right), (column + 1, right))
    return [Corner(rows, columns, high * wide) for rows, high in vertical for columns, wide in horizontal]


def turn(image: Image, degrees: float) -> Image:
    """An image turned clockwise around its centre, at its size."""
    height, width = image.shape[:2]
    total = np.full(image.shape, PARTS**2 // 2, np.int64)
    for rows, columns, weight in corners(height, width, degrees):
        total += weight[..., None] * image[reflected(rows, height), reflected(columns, width)]
    return (total // PARTS**2).astype(np.uint8)


def turn_back(probabilities: torch.Tensor, degrees: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The probabilities of a turned image (NCHW) where they belong in the upright one.

    Returns:
        The probabilities, 0 where the turned image did not show a pixel; and 1 where it did (1, 1, height, width).
    """
    import torch

    height, width = probabilities.shape[2:]
    row, column = places(height, width, degrees)
    shown = (row >= 0) & (row <= PARTS * (height - 1)) & (column >= 0) & (column <= PARTS * (width - 1))
    total, votes = torch.zeros_like(probabilities), np.ones((height, width), bool)
    for rows, columns, weight in corners(height, width, -degrees):
        above, beside = rows.clip(0, height - 1), columns.clip(0, width - 1)
        votes &= (weight == 0) | ((above == rows) & (beside == columns) & shown[above, beside])
        share = torch.from_numpy((weight / PARTS**2).astype(np.float32)).to(total.device)
        total += share * probabilities[..., torch.from_numpy(above), torch.from_numpy(beside)]
    seen = torch.from_numpy(votes.astype(np.float32)).to(total.device)
    return total * seen, seen[None, None]


def reflected(indices: Whole, length: int) -> Whole:
    """Indices along a side, those beyond its ends counted back from there.

    Example:
        >>> reflected(np.arange(-3, 6), 3).tolist()
        [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    period = max(2 * (length - 1), 1)
    forward = indices % period
    return np.minimum(forward, period - forward) if length > 1 else np.zeros_like(indices)
