"""Test-time augmentation: an image is predicted several times, flipped and scaled, and the probabilities are averaged.

As Krizhevsky et al. (2012) average the softmax over crops and flips, here for each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from pixelproof.data.resize import resize_image
from stages.evaluate.params import Flip
from stages.evaluate.slide import Image, Network

if TYPE_CHECKING:
    import torch

AXES: dict[Flip, int] = {"horizontal": 1, "vertical": 0}  # of an image; in logits they are the last two


def augmented(network: Network, images: list[Image], flips: Sequence[Flip], scales: Sequence[float]) -> torch.Tensor:
    """The logarithms of the mean probabilities over every scale with every combination of flips, including none.

    They can be used as logits: their softmax is the mean. Each view is resized as in the stage `prepare`; its
    probabilities are flipped back and resized to the image, bilinearly.
    """
    height, width = images[0].shape[:2]
    views = [(scale, axes) for scale in scales for axes in flipped(flips)]
    total: torch.Tensor | None = None
    for scale, axes in views:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        scaled = images if size == (width, height) else [resize_image(image, *size) for image in images]
        found = network([np.flip(image, axes) for image in scaled]).float().softmax(dim=1)
        found = resized(found.flip([axis - 2 for axis in axes]), height, width)
        total = found if total is None else total + found
    if total is None:
        raise ValueError("no scale to predict at")
    return (total / len(views)).log()


def flipped(flips: Sequence[Flip]) -> list[tuple[int, ...]]:
    """The flipped axes of each combination of flips: none first, then one, then both."""
    axes = sorted({AXES[flip] for flip in flips})
    return [chosen for count in range(len(axes) + 1) for chosen in combinations(axes, count)]


def resized(probabilities: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize probabilities; those of a pixel still add up to 1."""
    from torch.nn.functional import interpolate

    if probabilities.shape[2:] == (height, width):
        return probabilities
    return interpolate(probabilities, (height, width), mode="bilinear", align_corners=False)
