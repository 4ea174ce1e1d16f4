"""Overlap of boxes, and non-maximum suppression: of boxes that overlap too much, the one with the best score stays."""

from __future__ import annotations

import torch
from torch import Tensor


def areas(boxes: Tensor) -> Tensor:
    """The areas of boxes (left, top, right, bottom); one without width or height has none."""
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0)


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """The IoU of every box with every other, of shape (boxes, others); 0 where both have no area.

    Example:
        >>> overlaps(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0], [2.0, 0.0, 3.0, 2.0]]))
        tensor([[0.3333, 0.0000]])
    """
    corner = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    opposite = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = (opposite - corner).clamp(min=0).prod(2)
    either = areas(boxes)[:, None] + areas(others)[None, :] - both
    return torch.where(either > 0, both / either, torch.zeros_like(both))


def suppress(boxes: Tensor, scores: Tensor, above: float, classes: Tensor | None = None) -> Tensor:
    """Keep boxes in the order of their scores, each unless one that is kept overlaps it by more than a threshold.

    The rule is applied to all boxes at once until nothing changes, and not to one after another: after n rounds the
    best n boxes are decided, since each depends on better ones alone; so it ends with the greedy result, mostly after
    a handful of rounds.

    Args:
        boxes: Of shape (N, 4).
        scores: Of shape (N,); of equal ones the first comes first.
        above: The IoU above which a box is dropped.
        classes: Of shape (N,), if boxes of different classes do not drop each other.

    Returns:
        The indices of those that are kept, the best score first.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [20.0, 0.0, 30.0, 10.0]])
        >>> suppress(boxes, torch.tensor([0.6, 0.9, 0.1]), above=0.5).tolist()
        [1, 2]
    """
    order = torch.argsort(scores, descending=True, stable=True)
    beats = (overlaps(boxes[order], boxes[order]) > above).triu(diagonal=1)
    if classes is not None:
        beats &= classes[order][:, None] == classes[order][None, :]
    kept = torch.ones_like(order, dtype=torch.bool)
    while True:
        now = ~(beats & kept[:, None]).any(0)
        if torch.equal(now, kept):
            return order[kept]
        kept = now
