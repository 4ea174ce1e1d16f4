"""The objects of a label map, and which predicted object is which true one. Pure: arrays in, numbers out.

An object is a connected region of one `thing` class (pixels that touch by a side or a corner), or one of the dataset's
own instances, of which an occluder may leave several pieces. Pixels that the truth ignores are measured in neither
truth nor prediction; a predicted object that lies on them by more than half cannot be judged and is left out, as in
panoptic quality (Kirillov et al., Panoptic Segmentation, CVPR 2019, section 4.2).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE, Array
from pixelproof.scoring.matching import Pair, one_to_one

MOSTLY = 0.5


@dataclass(frozen=True)
class Found:
    """The objects of one image, numbered from 1 in the order in which they are met, row by row."""

    numbers: NDArray[np.int64]  # of each pixel, 0 = none
    classes: list[int]  # of object 1, 2, ...
    specks: list[int]  # classes of what was too small
    ignored: list[int]  # classes of what lies mostly where the truth is not known


def true_objects(truth: Array, instances: Array | None, things: Collection[int], smallest: int) -> Found:
    """Instances where there are some, one for each class that they hold; connected regions of what is in none."""
    thing = np.isin(truth, list(things))
    inside = np.zeros(truth.shape, np.int64) if instances is None else np.where(thing, instances, 0).astype(np.int64)
    numbers = _regions(np.where(thing & (inside == 0), truth.astype(np.int64) + 1, 0))
    keys = np.where(inside > 0, inside * 256 + truth, 0)
    own = np.searchsorted(np.unique(keys[keys > 0]), keys) + 1 + int(numbers.max(initial=0))
    return _kept(np.where(keys > 0, own, numbers), truth, smallest)


def predicted_objects(labels: Array, truth: Array, things: Collection[int], smallest: int) -> Found:
    """Connected regions of the whole prediction, without what the truth ignores."""
    numbers = _regions(np.where(np.isin(labels, list(things)), labels.astype(np.int64) + 1, 0))
    valid = truth != IGNORE
    every, known = np.bincount(numbers.ravel()), np.bincount(numbers[valid], minlength=int(numbers.max(initial=0)) + 1)
    unknown = np.flatnonzero(every - known > MOSTLY * every)
    unknown = unknown[unknown > 0]
    ignored = [int(labels.ravel()[np.argmax(numbers == number)]) for number in unknown]
    return _kept(np.where(valid & ~np.isin(numbers, unknown), numbers, 0), labels, smallest, ignored)


def matched(predicted: Found, true: Found, threshold: float) -> list[Pair]:
    """One-to-one pairs of a class whose IoU is above the threshold, in the order of the predicted objects."""
    columns = len(true.classes) + 1
    keys = predicted.numbers * columns + true.numbers
    table = np.bincount(keys.ravel(), minlength=(len(predicted.classes) + 1) * columns).reshape(-1, columns)
    union = table.sum(axis=1)[1:, None] + table.sum(axis=0)[None, 1:] - table[1:, 1:]
    overlap = table[1:, 1:] / np.maximum(union, 1)
    same = np.array(predicted.classes, int)[:, None] == np.array(true.classes, int)[None, :]
    overlapping = [Pair(float(overlap[p, t]), t + 1, p + 1) for p, t in np.argwhere(same & (overlap > 0)).tolist()]
    return sorted(one_to_one(overlapping, threshold), key=lambda pair: pair.predicted)


def _regions(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the connected regions of equal values above 0."""
    from skimage.measure import label

    return np.asarray(label(values, background=0, connectivity=2), np.int64)


def _kept(numbers: NDArray[np.int64], labels: Array, smallest: int, ignored: list[int] | None = None) -> Found:
    """Without the specks, and numbered anew."""
    there, first, counts = np.unique(numbers, return_index=True, return_counts=True)
    objects = sorted((int(f), int(n), int(c)) for n, f, c in zip(there, first, counts, strict=True) if n > 0)
    classes = [int(labels.ravel()[f]) for f, _, c in objects if c >= smallest]
    again = np.zeros(int(numbers.max(initial=0)) + 1, np.int64)
    again[[n for _, n, c in objects if c >= smallest]] = np.arange(1, len(classes) + 1)
    specks = [int(labels.ravel()[f]) for f, _, c in objects if c < smallest]
    return Found(again[numbers], classes, specks, ignored or [])
