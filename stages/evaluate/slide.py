"""Sliding windows: a pixel's logits are the mean over the windows that contain it.

A network is here any function from RGB images of one size to logits (NCHW): `slide` turns one into another, and so does
`augmented`. `bands` does the same piece by piece: rows are finished, and forgotten, as soon as no later window covers
them, so that the memory it needs depends on an image's width, not on its height.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.grid import Grid, strips

if TYPE_CHECKING:
    import torch

Image = NDArray[np.uint8]
Network = Callable[[list[Image]], "torch.Tensor"]
FINISHED = 2**18  # pixels that are handed on at once


def slide(network: Network, images: list[Image], grid: Grid) -> torch.Tensor:
    """The logits of images of one size from windows; the mean where windows overlap."""
    import torch

    found = [logits for _, logits in bands(network, images, grid)]
    return found[0] if len(found) == 1 else torch.cat(found, dim=2)


def bands(network: Network, images: list[Image], grid: Grid, together: int = 1) -> Iterator[tuple[slice, torch.Tensor]]:
    """The same, from the uppermost rows to the lowest: some rows, and their logits.

    No window needs padding, and none is longer than the image's side. Each pixel's logits are added in the order of the
    windows, row by row, whatever their number in a forward pass.

    Args:
        network: What predicts a window.
        images: Of one size.
        grid: The windows.
        together: How many windows of an image are passed through the network at once.
    """
    import torch

    height, width = images[0].shape[:2]
    tops, lefts = grid.tops(height), grid.lefts(width)
    if len(tops) == len(lefts) == 1:
        yield slice(0, height), network(images)
        return
    high, wide = min(grid.height, height), min(grid.width, width)
    sums: tuple[torch.Tensor, torch.Tensor] | None = None
    for top, below in zip(tops, [*tops[1:], height], strict=True):
        for first in range(0, len(lefts), together):
            row = [slice(left, left + wide) for left in lefts[first : first + together]]
            logits = network([image[top : top + high, columns] for columns in row for image in images]).float()
            total, count = sums = sums or _zeros(logits, len(images), width)
            for columns, part in zip(row, torch.split(logits, len(images)), strict=True):
                total[..., columns] += part
                count[:, columns] += 1
        done = below - top
        for rows in strips((done, width), FINISHED):
            yield slice(top + rows.start, top + rows.stop), total[:, :, rows] / count[rows]
        for buffer in (total, count):
            buffer[..., : high - done, :] = buffer[..., done:, :].clone()
            buffer[..., high - done :, :] = 0


def _zeros(logits: torch.Tensor, images: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For the rows that windows cover: the sum of the logits, and how many windows a pixel is in."""
    _, classes, height, _ = logits.shape
    return logits.new_zeros(images, classes, height, width), logits.new_zeros(height, width)
