"""Objects that were found in an image, one by one: how they lie to the true ones, and as one map. Pure.

Pixels whose truth is ignored count on neither side. So that a detection there is no mistake, they are treated like a
crowd, an area in which objects were not told apart: what lies mostly in it counts neither as right nor as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.objects import CROWD, Labels, Numbers, Objects
from pixelproof.scoring.panoptic import Segments
from pixelproof.scoring.precision import Found

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


def laid_over(labels: Labels, instances: Sequence[Instance], things: Sequence[int]) -> Segments:
    """A map of classes with the objects over it: each pixel belongs to the best of those that hold it.

    An object of which less than half is left under better ones is left out (Kirillov et al., "Panoptic Feature Pyramid
    Networks", CVPR 2019). A pixel of a thing without an object is of none: its class stays in `labels` alone.

    Args:
        labels: Class ids.
        instances: The best first.
        things: The classes that have objects.
    """
    classes, numbers = labels.copy(), np.zeros(labels.shape, np.int32)
    classes[np.isin(labels, things)] = IGNORE
    count = 0
    for one in instances:
        free = one.mask & (numbers[one.window] == 0)
        if one.score < SURE or 2 * free.sum() < one.mask.sum():
            continue
        count += 1
        numbers[one.window][free] = count
        classes[one.window][free] = one.label
    return Segments(classes, numbers)
