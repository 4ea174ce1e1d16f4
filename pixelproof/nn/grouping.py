"""Objects from centres and offsets: each pixel belongs to the centre nearest to where it says that its own is.

Cheng et al., "Panoptic-DeepLab", CVPR 2020, section 3.2. Positions are row and column, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from pixelproof.nn.boxes import Truth
from pixelproof.nn.detections import Detections

MOST = 200  # centres of an image
AT_ONCE = 2**16  # pixels whose centres are looked for together


def targets(truth: Truth, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """What a network is to say of an image.

    Args:
        truth: Its objects.
        sigma: The spread of a centre, in pixels.

    Returns:
        The heatmap of centres, of shape (height, width), 1 at each; the way from each pixel to the centre of its
        object, of shape (2, height, width); and which pixels have one.

    Example:
        >>> box, inside = torch.zeros(1, 4), torch.tensor([[[True, True, True]]])
        >>> truth = Truth(box, torch.tensor([1]), inside, ~inside[0])
        >>> targets(truth, sigma=1.0)[1].tolist()
        [[[0.0, 0.0, 0.0]], [[1.0, 0.0, -1.0]]]
    """
    height, width = truth.ignored.shape
    place = positions(height, width, truth.ignored.device)
    if not len(truth.masks):
        return place.new_zeros(height, width), torch.zeros_like(place), torch.zeros_like(truth.ignored)
    masks = truth.masks[:, None]
    centres = (place * masks).sum((2, 3)) / masks.sum((2, 3))
    ways = centres[:, :, None, None] - place
    heat = (-ways.round().square().sum(1) / (2 * sigma**2)).exp().amax(0)
    return heat, (ways * masks).sum(0), truth.masks.any(0)


def positions(height: int, width: int, device: torch.device) -> Tensor:
    """Row and column of each pixel, of shape (2, height, width)."""
    rows, columns = (torch.arange(count, device=device).float() for count in (height, width))
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))


def peaks(heat: Tensor, window: int, above: float) -> Tensor:
    """The places that are highest in the window around them, the highest first, of shape (P, 2).

    Of equal neighbours the first alone: interpolation repeats the values at the edges, and precisions of 16 bits make
    equals of values that differ little; each would take a part of the object.

    Example:
        >>> peaks(torch.tensor([[0.1, 0.9, 0.3, 0.2, 0.5]]), window=3, above=0.3).tolist()
        [[0, 1], [0, 4]]
    """
    there = (heat == highest_around(heat, window)) & (heat > above)
    earlier = torch.arange(heat.numel(), 0, -1, dtype=torch.double, device=heat.device).view_as(heat) * there
    found = torch.nonzero(there & (earlier == highest_around(earlier, window)))
    values = heat[found[:, 0], found[:, 1]]
    return found[torch.argsort(values, descending=True, stable=True)[:MOST]]


def highest_around(values: Tensor, window: int) -> Tensor:
    """The highest value in the window around each place."""
    return max_pool2d(values[None, None], window, stride=1, padding=window // 2)[0, 0]


def grouped(
    probabilities: Tensor, heat: Tensor, ways: Tensor, things: Sequence[int], window: int, above: float
) -> Detections:
    """The objects of an image, which do not overlap.

    An object has the class that most of its pixels have. Its score is the height of its centre times the mean
    probability of its class.

    Args:
        probabilities: Of the classes, of shape (classes, height, width).
        heat: The heatmap of centres, of shape (height, width).
        ways: From each pixel to its centre, of shape (2, height, width).
        things: The classes that have objects.
        window: In which a centre is the highest place.
        above: The height above which there is a centre.
    """
    classes, (height, width) = len(probabilities), heat.shape
    labels = probabilities.argmax(0)
    is_thing = torch.zeros(classes, dtype=torch.bool, device=heat.device)
    is_thing[list(things)] = True
    pixels = torch.nonzero(is_thing[labels].flatten()).flatten()
    centres = peaks(heat, window, above)
    if not len(pixels) or not len(centres):
        return Detections(heat.new_zeros(0), labels.new_zeros(0), is_thing.new_zeros(0, height, width))
    towards = (positions(height, width, heat.device) + ways).flatten(1)[:, pixels]
    of = nearest(towards, centres)
    votes = torch.bincount(of * classes + labels.flatten()[pixels], minlength=len(centres) * classes)
    votes = votes.view(len(centres), classes)
    there = torch.nonzero(votes.sum(1)).flatten()
    masks = torch.zeros(len(there), height * width, dtype=torch.bool, device=heat.device)
    ranks = torch.zeros(len(centres), dtype=torch.long, device=heat.device)
    ranks[there] = torch.arange(len(there), device=heat.device)
    masks[ranks[of], pixels] = True
    chosen = votes[there].argmax(1)
    certain = torch.stack(
        [probabilities[label].flatten()[mask].mean() for label, mask in zip(chosen, masks, strict=True)]
    )
    scores = certain * heat[centres[there, 0], centres[there, 1]].clamp(max=1.0)
    order = torch.argsort(scores, descending=True, stable=True)
    return Detections(scores[order], chosen[order], masks[order].view(-1, height, width))


def nearest(places: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each place, places of shape (2, N)."""
    found = []
    for start in range(0, places.shape[1], AT_ONCE):
        apart = places[:, start : start + AT_ONCE, None] - centres.T[:, None, :].to(places.dtype)
        found.append(apart.square().sum(0).argmin(1))
    return torch.cat(found)
