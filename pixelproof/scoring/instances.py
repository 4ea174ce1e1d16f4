"""Objects that were found in an image, one by one: how they lie to the true ones, and as one map. Pure.

Pixels whose truth is ignored count on neither side. So that a detection there is no mistake, they are treated like a
crowd, an area in which objects were not told apart: what lies mostly in it counts neither as right nor as wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.objects import CROWD, Labels, Numbers, Objects
from pixelproof.scoring.panoptic import Segments
from pixelproof.scoring.precision import Found

Certainty = NDArray[np.float32]
SURE = 0.5  # the score from which on an object is laid over a map of classes


class Instance(NamedTuple):
    """An object that was found: its class, its score, where its window begins, and its pixels in there."""

    label: int
    score: float
    left: int
    top: int
    mask: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def cut_out(label: int, score: float, mask: NDArray[np.bool_]) -> Instance | None:
    """An object from a mask of the whole image; None if it has no pixel.

    Example:
        >>> cut_out(3, 0.9, np.array([[False, False], [False, True]]))
        Instance(label=3, score=0.9, left=1, top=1, mask=array([[ True]]))
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    return Instance(label, score, left, top, mask[top : rows[-1] + 1, left : columns[-1] + 1].copy())


def from_objects(objects: Objects, certainty: NDArray[np.floating[Any]]) -> list[Instance]:
    """The objects of a label map, each with the mean certainty of its pixels as its score, the best first."""
    width = objects.shape[1]
    order = np.argsort(objects.numbers, kind="stable")
    numbers, places = objects.numbers[order], objects.indices[order]
    bounds = np.searchsorted(numbers, np.arange(1, len(objects.classes) + 2))
    found = []
    for label, start, end in zip(objects.classes.tolist(), bounds, bounds[1:], strict=False):
        if start == end:
            continue
        rows, columns = places[start:end] // width, places[start:end] % width
        top, left = int(rows.min()), int(columns.min())
        mask = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), bool)
        mask[rows - top, columns - left] = True
        score = float(certainty[rows, columns].mean(dtype=np.float64))
        found.append(Instance(label, score, left, top, mask))
    return sorted(found, key=lambda one: -one.score)


def compared(truth: Labels, numbers: Numbers, instances: Sequence[Instance], label: int) -> Found:
    """How the objects of a class that were found lie to the true ones.

    Args:
        truth: Class ids, 255 for ignored pixels.
        numbers: The number of each pixel's true object, 0 for none, `CROWD` for a crowd.
        instances: Of all classes.
        label: The class.
    """
    here = truth == label
    true = np.unique(numbers[here & (numbers > 0)])
    of_numbers = np.zeros(int(numbers.max(initial=0)) + 1, np.int64)
    of_numbers[true] = np.arange(1, len(true) + 1)
    true_areas = np.bincount(of_numbers[numbers[here & (numbers > 0)]], minlength=len(true) + 1)[1:]
    has_crowd, has_unknown = bool((here & (numbers == CROWD)).any()), bool((truth == IGNORE).any())
    own = [one for one in instances if one.label == label]
    overlaps = np.zeros((len(own), len(true) + has_crowd + has_unknown))
    areas = np.zeros(len(own))
    for row, one in enumerate(own):
        classes, under = truth[one.window][one.mask], numbers[one.window][one.mask]
        known = classes != IGNORE
        areas[row] = size = int(known.sum())
        objects = of_numbers[under[(classes == label) & (under > 0)]]
        both = np.bincount(objects, minlength=len(true) + 1)[1:]
        overlaps[row, : len(true)] = both / np.maximum(size + true_areas - both, 1)
        if has_crowd:
            overlaps[row, len(true)] = ((classes == label) & (under == CROWD)).sum() / len(classes)
        if has_unknown:
            overlaps[row, -1] = (~known).sum() / len(classes)
    crowd = np.arange(overlaps.shape[1]) >= len(true)
    areas_of_all = np.concatenate([true_areas, np.zeros(has_crowd + has_unknown)])
    return Found(np.array([one.score for one in own]), areas, overlaps, areas_of_all, crowd)


def boxed(masks: Found, truth: Labels, numbers: Numbers, instances: Sequence[Instance], label: int) -> Found:
    """The same by the boxes around masks; what is ignored, and areas, stay those of masks."""
    own = np.array([ends(one) for one in instances if one.label == label], np.float64).reshape(-1, 4)
    true = true_boxes(truth, numbers, label)
    corner = np.maximum(own[:, None, :2], true[None, :, :2])
    opposite = np.minimum(own[:, None, 2:], true[None, :, 2:])
    both = np.clip(opposite - corner, 0, None).prod(2)
    area, true_area = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (own, true))
    overlaps = masks.overlaps.copy()
    overlaps[:, : len(true)] = both / (area[:, None] + true_area[None] - both)
    return replace(masks, overlaps=overlaps)


def ends(one: Instance) -> tuple[int, int, int, int]:
    """Left, top, right and bottom."""
    height, width = one.mask.shape
    return one.left, one.top, one.left + width, one.top + height


def true_boxes(truth: Labels, numbers: Numbers, label: int) -> NDArray[np.float64]:
    """Left, top, right and bottom of each true object of a class, in the order of their numbers."""
    rows, columns = np.nonzero((truth == label) & (numbers > 0))
    there, of = np.unique(numbers[rows, columns], return_inverse=True)
    found = np.zeros((len(there), 4))
    found[:, :2] = np.inf
    for place, along in enumerate((columns, rows)):
        np.minimum.at(found[:, place], of, along)
        np.maximum.at(found[:, place + 2], of, along + 1)
    return found


def laid_over(labels: Labels, instances: Sequence[Instance], things: Sequence[int]) -> Segments:
    """A map of classes with the objects over it.

    A pixel of a thing without an object is of none: its class stays in `labels` alone.

    Args:
        labels: Class ids.
        instances: The best first.
        things: The classes that have objects.
    """
    classes, numbers = labels.copy(), np.zeros(labels.shape, np.int32)
    classes[np.isin(labels, things)] = IGNORE
    for number, (one, free) in enumerate(visible(instances, labels.shape), start=1):
        numbers[one.window][free] = number
        classes[one.window][free] = one.label
    return Segments(classes, numbers)


def painted(labels: Labels, certainty: Certainty, instances: Sequence[Instance]) -> tuple[Labels, Certainty]:
    """Class and certainty of each pixel: those of the object that it belongs to, if there is one."""
    labels, certainty = labels.copy(), certainty.copy()
    for one, free in visible(instances, labels.shape):
        labels[one.window][free] = one.label
        certainty[one.window][free] = one.score
    return labels, certainty


def visible(instances: Sequence[Instance], shape: tuple[int, ...]) -> Iterator[tuple[Instance, NDArray[np.bool_]]]:
    """The objects that are sure, the best first, and which of their pixels no better one holds.

    One of which less than half is left is left out (Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019).
    """
    taken = np.zeros(shape, bool)
    for one in instances:
        free = one.mask & ~taken[one.window]
        if one.score >= SURE and 2 * free.sum() >= one.mask.sum():
            taken[one.window] |= free
            yield one, free


def merged(parts: Sequence[Sequence[Instance]], above: float = 0.5) -> list[Instance]:
    """The objects that several networks found: of those of one class that overlap, the best alone."""
    kept: list[Instance] = []
    for one in sorted((one for part in parts for one in part), key=lambda one: -one.score):
        if all(one.label != other.label or overlap(one, other) <= above for other in kept):
            kept.append(one)
    return kept


def overlap(one: Instance, other: Instance) -> float:
    """The IoU of two objects.

    Example:
        >>> first = Instance(1, 0.9, 0, 0, np.ones((2, 2), bool))
        >>> overlap(first, Instance(1, 0.8, 1, 0, np.ones((2, 3), bool)))
        0.25
    """
    left, top, right, bottom = ends(one)
    from_left, from_top, to_right, to_bottom = ends(other)
    x, y = max(left, from_left), max(top, from_top)
    width, height = min(right, to_right) - x, min(bottom, to_bottom) - y
    if width <= 0 or height <= 0:
        return 0.0
    parts = [each.mask[y - each.top :, x - each.left :][:height, :width] for each in (one, other)]
    both = int((parts[0] & parts[1]).sum())
    return both / (int(one.mask.sum()) + int(other.mask.sum()) - both)
