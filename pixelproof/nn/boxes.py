"""Boxes as networks learn them: as offsets from other boxes, matched with true ones, a few of them at a time.

A box is left, top, right and bottom, in pixels; the right and the bottom edge are the first pixel that is outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pixelproof.data.dataset import IGNORE
from pixelproof.nn.suppression import overlaps

LARGEST = math.log(1000 / 16)  # of the logarithms of widths and heights, so that none overflows
AWAY, BACKGROUND = -1, 0  # what a box is that is matched with none: not judged, or background


@dataclass(frozen=True)
class Truth:
    """The objects of an image.

    Attributes:
        boxes: Of shape (G, 4).
        classes: Of shape (G,), the class ids.
        masks: Of shape (G, height, width), bool.
        ignored: Of shape (height, width), bool: where nobody knows what there is.
    """

    boxes: Tensor
    classes: Tensor
    masks: Tensor
    ignored: Tensor


def truths_of(samples: Sequence[Any]) -> list[Truth]:
    """The objects of a batch's data samples; without any numbers of objects, there are none."""
    found = []
    for sample in samples:
        mask = sample.gt_sem_seg.data[0]
        objects = sample.gt_objects.data[0] if "gt_objects" in sample else torch.zeros_like(mask)
        found.append(truth_of(mask, objects))
    return found


def truth_of(mask: Tensor, objects: Tensor, smallest: int = 4) -> Truth:
    """The objects of an image.

    Args:
        mask: Class ids, of shape (height, width).
        objects: The number of each pixel's object, from 1; 0 for none, below for what nobody knows.
        smallest: The area below which an object, as one that is cut off at the edge, is ignored.

    Example:
        >>> objects = torch.zeros(4, 6, dtype=torch.int)
        >>> objects[1:3, 2:6] = 1
        >>> truth_of(objects * 7, objects).boxes, truth_of(objects * 7, objects).classes
        (tensor([[2., 1., 6., 3.]]), tensor([7]))
    """
    height, width = objects.shape
    numbers = torch.arange(1, int(objects.max()) + 1, device=objects.device)
    masks = objects[None] == numbers[:, None, None]
    kept = masks.sum((1, 2)) >= smallest
    ignored = (mask == IGNORE) | (objects < 0) | masks[~kept].any(0)
    masks = masks[kept]
    (left, right), (top, bottom) = ends(masks.any(1), width), ends(masks.any(2), height)
    classes = torch.where(masks, mask[None].long(), 0).flatten(1).amax(1) if len(masks) else mask.new_zeros(0).long()
    return Truth(torch.stack([left, top, right, bottom], 1).float(), classes, masks, ignored)


def ends(there: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """In each row, the first place that is True, and the one behind the last."""
    places = torch.arange(length, device=there.device)
    first = torch.where(there, places, length).amin(1) if len(there) else places[:0]
    behind = torch.where(there, places + 1, 0).amax(1) if len(there) else places[:0]
    return first, behind


def encoded(boxes: Tensor, references: Tensor, scales: Sequence[float]) -> Tensor:
    """How boxes lie to others (Girshick et al., "Rich Feature Hierarchies", CVPR 2014, appendix C).

    Args:
        boxes: Of shape (N, 4).
        references: Of shape (N, 4).
        scales: What the shift along x and along y, and the logarithms of width and height are multiplied by.
    """
    centre, size = centres_and_sizes(boxes)
    from_centre, from_size = centres_and_sizes(references)
    found = torch.cat([(centre - from_centre) / from_size, (size / from_size).log()], 1)
    return found * found.new_tensor(scales)


def decoded(offsets: Tensor, references: Tensor, scales: Sequence[float]) -> Tensor:
    """Boxes from offsets, the inverse of `encoded`.

    Example:
        >>> box, other = torch.tensor([[2.0, 3.0, 10.0, 9.0]]), torch.tensor([[0.0, 0.0, 8.0, 8.0]])
        >>> decoded(encoded(box, other, (1, 1, 1, 1)), other, (1, 1, 1, 1))
        tensor([[ 2.,  3., 10.,  9.]])
    """
    offsets = offsets / offsets.new_tensor(scales)
    from_centre, from_size = centres_and_sizes(references)
    centre = from_centre + offsets[:, :2] * from_size
    half = offsets[:, 2:].clamp(max=LARGEST).exp() * from_size / 2
    return torch.cat([centre - half, centre + half], 1)


def centres_and_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and sizes, both of shape (N, 2)."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes without what is outside of an image of a height and width."""
    limits = boxes.new_tensor([size[1], size[0], size[1], size[0]])
    return torch.minimum(boxes.clamp(min=0), limits)


def matched(boxes: Tensor, truth: Truth, thresholds: tuple[float, float], best: bool) -> tuple[Tensor, Tensor]:
    """The true object of each box.

    Args:
        boxes: Of shape (N, 4).
        truth: The objects of the image.
        thresholds: Below the first IoU a box is background, from the second on it is the object.
        best: Whether each object has also the boxes that overlap it most, even below the threshold.

    Returns:
        For each box 1 for an object, `BACKGROUND`, or `AWAY` if it counts as neither, as where most of it is ignored;
        and the index of the object that it overlaps most.
    """
    if not len(truth.boxes):
        kinds, of = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device), boxes.new_zeros(len(boxes)).long()
    else:
        iou = overlaps(boxes, truth.boxes)
        most, of = iou.max(1)
        kinds = torch.full_like(of, AWAY)
        kinds[most < thresholds[0]] = BACKGROUND
        kinds[most >= thresholds[1]] = 1
        if best:
            highest = iou.amax(0)
            equal = (iou == highest) & (highest > 0)
            kinds[equal.any(1)] = 1
            of = torch.where(equal.any(1), equal.int().argmax(1), of)
    kinds[(kinds == BACKGROUND) & (share_of(truth.ignored, boxes) > 0.5)] = AWAY
    return kinds, of


def share_of(where: Tensor, boxes: Tensor) -> Tensor:
    """The share of each box's pixels that are True, by sums over all pixels above and to the left of each."""
    height, width = where.shape
    sums = torch.zeros(height + 1, width + 1, dtype=torch.long, device=where.device)
    sums[1:, 1:] = where.long().cumsum(0).cumsum(1)
    left, top, right, bottom = clipped(boxes, (height, width)).round().long().unbind(1)
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return inside / ((right - left) * (bottom - top)).clamp(min=1)


def sampled(kinds: Tensor, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Draw boxes to learn from, by torch's generator of the CPU.

    Args:
        kinds: 1 for an object, `BACKGROUND` or `AWAY`.
        count: How many at most.
        share: The share of objects at most; background fills up.

    Returns:
        The indices of those that are objects, and of background.
    """
    objects = drawn(torch.nonzero(kinds == 1).flatten(), int(count * share))
    return objects, drawn(torch.nonzero(kinds == BACKGROUND).flatten(), count - len(objects))


def drawn(indices: Tensor, most: int) -> Tensor:
    """Some of the indices, in any order."""
    return indices[torch.randperm(len(indices))[:most].to(indices.device)]
