"""What the lecture's figures are drawn from, where no training is needed: up-sampling, and features of regions.

Everything here is computed, in float64 and from fixed seeds: the same figures come out every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pixelproof.nn.regions import Bins, roi_align, roi_pool
from pixelproof.sources.synthetic.classes import CLASSES
from pixelproof.sources.synthetic.scene import render

Floats = NDArray[np.float64]
Rising = Callable[[Tensor], Tensor]  # (N, 1, H, W) to twice the height and width
RAMP = torch.tensor([0.25, 0.75, 0.75, 0.25], dtype=torch.float64)
BILINEAR = RAMP[:, None] * RAMP[None, :]
EDGE = 4  # pixels at a border that are left out where only the inside is looked at


def overlaps(kernel: int) -> Floats:
    """How many input pixels reach each output pixel of a transposed convolution of stride 2."""
    flat, ones = torch.ones(1, 1, 8, 8, dtype=torch.float64), torch.ones(1, 1, kernel, kernel, dtype=torch.float64)
    found: Floats = functional.conv_transpose2d(flat, ones, stride=2, padding=(kernel - 1) // 2)[0, 0].numpy()
    return found


def drawn(kernel: int) -> Tensor:
    """Weights that nobody chose, between 0 and 1."""
    return torch.rand(1, 1, kernel, kernel, generator=torch.Generator().manual_seed(kernel), dtype=torch.float64)


def of_flat(kernel: int, resized: bool) -> Floats:
    """What drawn weights make of a flat input: by a transposed convolution, or by resizing and then a convolution."""
    flat, weights = torch.ones(1, 1, 8, 8, dtype=torch.float64), drawn(kernel)
    if resized:
        large = functional.interpolate(flat, scale_factor=2.0, mode="nearest")
        found: Floats = functional.conv2d(large, weights, padding=kernel // 2)[0, 0].numpy()
    else:
        found = functional.conv_transpose2d(flat, weights, stride=2, padding=(kernel - 1) // 2)[0, 0].numpy()
    even: Floats = found / found[EDGE:-EDGE, EDGE:-EDGE].mean()
    return even


def unevenness(map_of: Floats) -> float:
    """The standard deviation inside, as a share of the mean: 0 for what stays flat."""
    inside = map_of[EDGE:-EDGE, EDGE:-EDGE]
    return float(inside.std() / inside.mean())


def risen(maps: Tensor, kernel: Tensor) -> Tensor:
    """Maps (N, 1, H, W) at twice their size, by a transposed convolution of an even kernel; borders are repeated."""
    reach = kernel.shape[-1] // 2
    padded = functional.pad(maps, (reach, reach, reach, reach), mode="replicate")
    large = functional.conv_transpose2d(padded, kernel[None, None], stride=2, padding=reach - 1)
    return large[..., 2 * reach : -2 * reach, 2 * reach : -2 * reach]


def shares(number: int, side: int = 128) -> Tensor:
    """The labels of a drawn scene, (classes, 1, side, side): for each class that it has, 1 where it is."""
    mask = torch.from_numpy(render(0, f"lecture-{number:03d}", 0, side).mask.astype(np.int64))
    return torch.stack([mask == info.id for info in CLASSES if (mask == info.id).any()])[:, None].double()


def halved(maps: Tensor) -> Tensor:
    """At half their size: what a network that pools by averaging would know of them."""
    return functional.avg_pool2d(maps, 2)


def fitted(side: int, scenes: Sequence[int]) -> Tensor:
    """The kernel with which a transposed convolution comes closest to undoing `halved`, by least squares."""
    every = torch.eye(side * side, dtype=torch.float64).view(-1, side, side)
    total, right = torch.zeros(side * side, side * side, dtype=torch.float64), torch.zeros(side * side).double()
    for number in scenes:
        whole = shares(number)
        small = halved(whole)
        parts = torch.stack([risen(small, kernel).flatten() for kernel in every])  # what each weight alone gives
        total += parts @ parts.T
        right += parts @ whole.flatten()
    kernel: Tensor = torch.linalg.solve(total, right).view(side, side)
    return kernel


def misses(kernel: Tensor, scenes: Sequence[int]) -> tuple[float, float]:
    """Of scenes made small and large again: the share of pixels of another class, and the mean squared error."""
    missed, pixels, error = 0, 0, 0.0
    for number in scenes:
        whole = shares(number)
        back = risen(halved(whole), kernel)
        missed += int((back.argmax(0) != whole.argmax(0)).sum())
        error += float((back - whole).square().mean(0).sum())
        pixels += whole[0].numel()
    return missed / pixels, error / pixels


def edge_of(kernel: Tensor) -> Floats:
    """A step that three doublings made eight times as large: along one row, in the middle."""
    maps = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    maps[..., 4:] = 1.0
    for _ in range(3):
        maps = risen(maps, kernel)
    found: Floats = maps[0, 0, 32, 16:48].numpy()
    return found


def response(kernel: Tensor, frequencies: Floats) -> Floats:
    """How much of a wave along a row passes, against its frequency in cycles per output pixel; 1 is all of it."""
    row = kernel.sum(0).numpy() / 2
    waves = np.exp(-2j * np.pi * frequencies[:, None] * np.arange(len(row)))
    found: Floats = np.abs(waves @ row) / abs(row.sum())
    return found


STRIDE, CELLS, FIRST, BOX = 16, 32, 160.0, 112.0  # pixels per cell, cells of the map, the box in pixels


def regions(of: Callable[..., Tensor], features: Tensor, shifts: Floats) -> Floats:
    """The features (shifts, 7, 7) of a box that is shifted to the right by so many pixels."""
    left, top = FIRST + torch.from_numpy(shifts), torch.full((len(shifts),), FIRST, dtype=torch.float64)
    boxes = torch.stack([left, top, left + BOX, top + BOX], 1)
    found = of(features, boxes, torch.zeros(len(shifts), dtype=torch.long), Bins(7, 7, 1 / STRIDE))
    values: Floats = found[:, 0].numpy()
    return values


def places() -> Tensor:
    """A feature that is the column of each cell's centre in the image: what is read off is a place, in pixels."""
    return ((torch.arange(CELLS, dtype=torch.float64) + 0.5) * STRIDE).expand(1, 1, CELLS, CELLS)


def bumps() -> Tensor:
    """A feature with smooth hills, as a network's are: a drawn one of few cells, made larger."""
    few = torch.rand(1, 1, CELLS // 2, CELLS // 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return functional.interpolate(few, size=(CELLS, CELLS), mode="bicubic", align_corners=False)


def true_place(shifts: Floats) -> Floats:
    """Where the middle of the box is, in pixels."""
    return FIRST + BOX / 2 + shifts


def jumps(found: Floats) -> float:
    """The largest change from one shift to the next."""
    return float(np.abs(np.diff(found)).max())


REGIONS = {"RoIPool": roi_pool, "RoIAlign": roi_align}
