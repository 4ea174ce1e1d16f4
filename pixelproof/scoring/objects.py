"""What an object of a `thing` class is, and which predicted object is which true one. Pure: arrays in, numbers out.

The one rule for evaluate, which counts objects, and for measure, which measures them:

- A **true object** is what one instance id and one class share, where the dataset has instance ids. Pixels of a thing
  without an id, and all of them in a dataset without ids, are cut into connected components (8 neighbours).
- A **predicted object** is a connected component of a thing's class: networks here tell classes apart, not objects.
  Two cars that touch are one to them, and at most one of the two is found.
- **Ignored pixels** (255 in the truth) count neither for area nor for IoU: both sides are compared `within` the known
  ones. Nobody knows what a predicted object is that lies on ignored pixels by more than half (`mostly_outside`;
  Kirillov et al., Panoptic Segmentation, CVPR 2019, section 4.2).
- They are **matched** one to one within a class, the largest IoU first, where IoU is above a threshold. From 0.5 on no
  other matching is possible (Kirillov et al., section 4.1); below, ties go to the object of the lower number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE

Labels = NDArray[np.uint8]
Instances = NDArray[np.uint16]
Numbers = NDArray[np.int64]
Where = NDArray[np.bool_]


class Pair(NamedTuple):
    """A true and a predicted object that overlap, by their numbers."""

    iou: float
    true: int
    predicted: int


@dataclass(frozen=True)
class Objects:
    """The objects of one label map, numbered 1, 2, ...; a pixel belongs to one of them or to none.

    Attributes:
        shape: height and width of the map.
        indices: of the pixels that belong to an object, in the flattened map.
        numbers: of the object that each of these pixels belongs to.
        classes: of object 1, 2, ...
    """

    shape: tuple[int, ...]
    indices: Numbers
    numbers: Numbers
    classes: Numbers

    def areas(self, where: Where | None = None) -> Numbers:
        """Count the pixels of each object.

        Args:
            where: the pixels of the map that count; None for all of them.

        Returns:
            At [1], [2], ... those of object 1, 2, ...; [0] is of no object.
        """
        numbers = self.numbers if where is None else self.numbers[where.ravel()[self.indices]]
        return np.bincount(numbers, minlength=len(self.classes) + 1)

    def within(self, where: Where) -> Objects:
        """The same objects under the same numbers with only some of their pixels, of an object maybe none."""
        inside = where.ravel()[self.indices]
        return replace(self, indices=self.indices[inside], numbers=self.numbers[inside])

    def mostly_outside(self, where: Where) -> Where:
        """Which objects have more than half of their pixels elsewhere, laid out as `areas`."""
        return self.areas() > 2 * self.areas(where)

    def first_indices(self) -> Numbers:
        """The first index of each object, laid out as `areas`; the number of all pixels for one that has none."""
        first = np.full(len(self.classes) + 1, self.shape[0] * self.shape[1])
        np.minimum.at(first, self.numbers, self.indices)
        return first

    def as_map(self) -> Numbers:
        """The number of each pixel's object, 0 for none."""
        numbers = np.zeros(self.shape, np.int64)
        numbers.ravel()[self.indices] = self.numbers
        return numbers


def true_objects(truth: Labels, instances: Instances | None, things: Sequence[int]) -> Objects:
    """The instances of each class, and the components of what has no instance id.

    Args:
        truth: class ids, 255 where they are not known.
        instances: instance ids, 0 for none; None where the dataset has no such map.
        things: ids of the classes whose objects are asked for.

    Returns:
        The instances by class and id, then the components as `components` numbers them.
    """
    if instances is None or not len(things):
        return components(truth, things)
    is_thing = np.zeros(IGNORE + 1, np.bool_)
    is_thing[list(things)] = True
    of_things = is_thing[truth]
    numbered = of_things & (instances > 0)
    rest = components(np.where(numbered, np.uint8(IGNORE), truth), things if (of_things != numbered).any() else ())
    indices = np.flatnonzero(numbered)
    ids = truth.ravel()[indices].astype(np.int64) << 16 | instances.ravel()[indices]
    there = np.zeros((max(things) + 1) << 16, np.bool_)
    there[ids] = True
    keys = np.flatnonzero(there)
    return Objects(
        truth.shape,
        np.concatenate([indices, rest.indices]),
        np.concatenate([np.searchsorted(keys, ids) + 1, rest.numbers + len(keys)]),
        np.concatenate([keys >> 16, rest.classes]),
    )


def components(labels: Labels, things: Sequence[int]) -> Objects:
    """Connected components (8 neighbours) of each class, numbered by class and by their first pixel.

    Args:
        labels: class ids.
        things: ids of the classes whose components are asked for; these are numbered in this order.

    Example:
        >>> components(np.array([[2, 0, 1], [0, 2, 0], [1, 0, 0]], np.uint8), [1, 2]).as_map().tolist()
        [[3, 0, 1], [0, 3, 0], [2, 0, 0]]
    """
    indices, numbers, classes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], list[int]()
    for label in things:
        inside = labels == label
        at = np.flatnonzero(inside)
        if not at.size:
            continue
        count, found = cv2.connectedComponents(inside.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
        of = found.ravel()[at]
        first = np.zeros(count, np.int64)
        first[of[::-1]] = at[::-1]  # the last one that is written stays: the first of each
        rank = np.zeros(count, np.int64)
        rank[1 + np.argsort(first[1:])] = np.arange(1, count)
        indices.append(at)
        numbers.append(rank[of] + len(classes))
        classes += [label] * (count - 1)
    return Objects(labels.shape, np.concatenate(indices), np.concatenate(numbers), np.array(classes, np.int64))


def match(true: Objects, predicted: Objects, above: float) -> list[Pair]:
    """Pairs of one class whose IoU is above a threshold, one to one.

    Args:
        true: the objects of the ground truth.
        predicted: what is said to be there, `within` the pixels whose truth is known.
        above: an IoU; a pair's own must be larger.

    Returns:
        The pairs, the largest IoU first.
    """
    other_of = np.zeros(true.shape, np.int64).ravel()
    other_of[predicted.indices] = predicted.numbers
    others = other_of[true.indices]
    span = len(predicted.classes) + 1
    keys, overlaps = np.unique((true.numbers * span + others)[others > 0], return_counts=True)
    area_of, other_area_of = true.areas().tolist(), predicted.areas().tolist()
    overlapping = []
    for key, overlap in zip(keys.tolist(), overlaps.tolist(), strict=True):
        one, other = divmod(key, span)
        if true.classes[one - 1] == predicted.classes[other - 1]:
            overlapping.append(Pair(overlap / (area_of[one] + other_area_of[other] - overlap), one, other))
    return one_to_one(overlapping, above)


def one_to_one(overlapping: Iterable[Pair], above: float) -> list[Pair]:
    """Of overlaps above a threshold the largest first, each object once; of equal ones the first true object's.

    Example:
        >>> one_to_one([Pair(0.6, 1, 1), Pair(0.8, 2, 1), Pair(0.4, 1, 2)], above=0.5)
        [Pair(iou=0.8, true=2, predicted=1)]
    """
    true, predicted, kept = set[int](), set[int](), []
    for pair in sorted(overlapping, key=lambda pair: (-pair.iou, pair.true, pair.predicted)):
        if pair.iou > above and pair.true not in true and pair.predicted not in predicted:
            true.add(pair.true)
            predicted.add(pair.predicted)
            kept.append(pair)
    return kept
