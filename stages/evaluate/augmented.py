"""Test-time augmentation: an image is predicted several times, scaled, turned and flipped; probabilities are averaged.

As Krizhevsky et al. (2012) average the softmax over crops and flips, here for each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from pixelproof.data.resize import resize_image
from stages.evaluate.params import Augmentation, Flip
from stages.evaluate.slide import Image, Network
from stages.evaluate.turned import turn, turn_back

if TYPE_CHECKING:
    import torch

AXES: dict[Flip, int] = {"horizontal": 1, "vertical": 0}  # of an image; in logits they are the last two


def augmented(network: Network, images: list[Image], tta: Augmentation) -> torch.Tensor:
    """The logarithms of the mean probabilities over every scale and angle with every combination of flips.

    They can be used as logits: their softmax is the mean. Each view is resized as in the stage `prepare`, turned and
    flipped; its probabilities are flipped back, turned back and resized to the image, bilinearly. The mean of a pixel
    is that of the views that show it, as the upright ones all do.
    """
    total: torch.Tensor | None = None
    weight: torch.Tensor | float = 0.0
    for scale, degrees, axes in product(tta.scales, tta.rotations, flipped(tta.flips)):
        found, votes = seen(network, images, scale, degrees, axes)
        total = found if total is None else total + found
        weight = weight + votes
    if total is None:
        raise ValueError("no scale to predict at")
    return (total / weight).log()


def seen(
    network: Network, images: list[Image], scale: float, degrees: float, axes: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor | float]:
    """The probabilities of one view, and how much of them each pixel has: 1, or between 0 and 1 if it is turned."""
    height, width = images[0].shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    view = images if size == (width, height) else [resize_image(image, *size) for image in images]
    view = [turn(image, degrees) for image in view] if degrees else view
    found = network([np.flip(image, axes) for image in view]).float().softmax(dim=1)
    found = found.flip([axis - 2 for axis in axes])
    if not degrees:
        return resized(found, height, width), 1.0
    found, votes = turn_back(found, degrees)
    return resized(found, height, width), resized(votes, height, width)


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
