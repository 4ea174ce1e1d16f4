"""Define the objects of `thing` classes, and match predicted to true objects. Pure: arrays in, numbers out.

evaluate, which counts objects, and measure, which measures them, share these rules:

- A **true object** is the pixels with the same class and instance id, if the dataset has instance ids. Pixels of a
  thing without an id, or all of them in a dataset without ids, are split into connected components (8 neighbours).
- A **predicted object** is a connected component of a thing's class: networks here do semantic segmentation and cannot
  separate instances. Two cars that touch are predicted as one object, so at most one of the two is found.
- **Ignored pixels** (255 in the truth) count neither towards area nor towards IoU: both sides are restricted to the
  labelled pixels (`within`). A predicted object with more than half of its pixels ignored is neither right nor wrong
  (`mostly_outside`; Kirillov et al., Panoptic Segmentation, CVPR 2019, section 4.2).
- **Matching** is one to one within a class, the largest IoU first, among pairs whose IoU is above a threshold. With a
  threshold of 0.5 or more the matching is unique (Kirillov et al., section 4.1); below, ties go to the object with the
  lower number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.data.grid import strips

Labels = NDArray[np.uint8]
Instances = NDArray[np.uint16]
Numbers = NDArray[np.integer[Any]]  # of pixels, int32: an image has fewer than 2**31, and large ones have many
Where = NDArray[np.bool_]
AT_ONCE = 2**20  # pixels that are looked through together
CROWD = -1


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
        indices: the positions, in the flattened map, of the pixels that belong to an object.
        numbers: for each of these pixels, the number of its object.
        classes: the class of object 1, 2, ...
    """

    shape: tuple[int, ...]
    indices: Numbers
    numbers: Numbers
    classes: Numbers

    def areas(self, where: Where | None = None) -> Numbers:
        """Count the pixels of each object.

        Args:
            where: the pixels of the map to count; None for all of them.

        Returns:
            The areas, indexed by the number of the object; [0] belongs to no object.
        """
        total = np.zeros(len(self.classes) + 1, np.int64)
        for part in _parts(self.numbers):
            inside = slice(None) if where is None else where.ravel()[self.indices[part]]
            total += np.bincount(self.numbers[part][inside], minlength=len(total))
        return total

    def within(self, where: Where) -> Objects:
        """The same objects with the same numbers, restricted to some pixels; an object may lose all of its own."""
        inside = where.ravel()[self.indices]
        return replace(self, indices=self.indices[inside], numbers=self.numbers[inside])

    def mostly_outside(self, where: Where) -> Where:
        """Which objects have more than half of their pixels outside, indexed like `areas`."""
        return self.areas() > 2 * self.areas(where)

    def first_indices(self) -> Numbers:
        """The index of each object's first pixel, laid out like `areas`; the size of the map if it has no pixels."""
        first = np.full(len(self.classes) + 1, self.shape[0] * self.shape[1])
        np.minimum.at(first, self.numbers, self.indices)
        return first

    def as_map(self) -> Numbers:
        """A map with the number of each pixel's object, 0 for none."""
        numbers = np.zeros(self.shape, np.int32)
        numbers.ravel()[self.indices] = self.numbers
        return numbers


def true_objects(truth: Labels, instances: Instances | None, things: Sequence[int]) -> Objects:
    """The instances of each class, and the connected components of the pixels without an instance id.

    Args:
        truth: class ids, 255 for ignored pixels.
        instances: instance ids, 0 for none; None if the dataset has no instance map.
        things: ids of the classes to find objects of.

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
    indices = _positions(numbered)
    ids = truth.ravel()[indices].astype(np.int32) << 16 | instances.ravel()[indices]
    there = np.zeros((max(things) + 1) << 16, np.bool_)
    there[ids] = True
    keys = np.flatnonzero(there)
    rank = np.zeros(len(there), np.int32)
    rank[keys] = np.arange(1, len(keys) + 1)
    return Objects(
        truth.shape,
        _joined([indices, rest.indices]),
        _joined([rank[ids], rest.numbers + np.int32(len(keys))]),
        np.concatenate([keys >> 16, rest.classes]),
    )


def numbered(truth: Labels, instances: Instances | None, things: Sequence[int]) -> Numbers:
    """The number of each pixel's true object: 0 for none, `CROWD` where objects of a class were not told apart.

    That is where an image with instance ids has a thing without one. Without any ids, objects are components.

    Args:
        truth: class ids, 255 for ignored pixels.
        instances: instance ids, 0 for none; None if the dataset has no instance map.
        things: ids of the classes to find objects of.

    Example:
        >>> numbered(np.array([[1, 1, 0, 1]], np.uint8), np.array([[4, 0, 0, 9]], np.uint16), [1]).tolist()
        [[1, -1, 0, 2]]
    """
    if instances is None:
        return components(truth, things).as_map()
    found = true_objects(np.where(instances > 0, truth, np.uint8(IGNORE)), instances, things).as_map()
    found[np.isin(truth, things) & (instances == 0)] = CROWD
    return found


def components(labels: Labels, things: Sequence[int]) -> Objects:
    """Connected components (8 neighbours) of each class, numbered by class and then by first pixel.

    Args:
        labels: class ids.
        things: ids of the classes to find components of, which are numbered in this order.

    Example:
        >>> components(np.array([[2, 0, 1], [0, 2, 0], [1, 0, 0]], np.uint8), [1, 2]).as_map().tolist()
        [[3, 0, 1], [0, 3, 0], [2, 0, 0]]
    """
    indices, numbers, classes = list[Numbers](), list[Numbers](), list[int]()
    for label in things:
        inside = labels == label
        at = _positions(inside)
        if not at.size:
            continue
        count, found = cv2.connectedComponents(inside.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
        of = found.ravel()[at]
        del found
        first = np.zeros(count, np.int64)
        for part in reversed(list(_parts(at))):
            first[of[part][::-1]] = at[part][::-1]  # in reverse: the last value written is the first pixel
        rank = np.zeros(count, np.int32)
        rank[1 + np.argsort(first[1:])] = np.arange(1, count) + len(classes)
        for part in _parts(of):
            of[part] = rank[of[part]]
        indices.append(at)
        numbers.append(of)
        classes += [label] * (count - 1)
    return Objects(labels.shape, _joined(indices), _joined(numbers), np.array(classes, np.int64))


def _positions(where: Where) -> Numbers:
    """The positions, in the flattened map, of the pixels that are True, counted in strips: few bytes for each."""
    found = []
    for rows in strips(where.shape, AT_ONCE):
        found.append(np.flatnonzero(where[rows]).astype(np.int32) + np.int32(rows.start * where.shape[1]))
    return _joined(found)


def _parts(numbers: Numbers) -> Iterator[slice]:
    """Slices of a long row of numbers: as an index, NumPy copies them to eight bytes each."""
    return (slice(start, start + AT_ONCE) for start in range(0, len(numbers), AT_ONCE))


def _joined(parts: Sequence[Numbers]) -> Numbers:
    """The parts one after another."""
    there = [part for part in parts if part.size]
    if len(there) == 1:
        return there[0]
    return np.concatenate(there) if there else np.zeros(0, np.int32)


def match(true: Objects, predicted: Objects, above: float) -> list[Pair]:
    """Match true and predicted objects of the same class one to one, if their IoU is above a threshold.

    Args:
        true: the objects of the ground truth.
        predicted: the predicted objects, restricted to the labelled pixels (`within`).
        above: the threshold; the IoU of a pair must be larger.

    Returns:
        The pairs, the largest IoU first.
    """
    other_of, span = predicted.as_map().ravel(), len(predicted.classes) + 1
    overlaps = Counter[int]()  # pixels by pair
    for part in _parts(true.indices):
        others = other_of[true.indices[part]]
        both = others > 0
        keys, pixels = np.unique(true.numbers[part][both].astype(np.int64) * span + others[both], return_counts=True)
        overlaps.update(dict(zip(keys.tolist(), pixels.tolist(), strict=True)))
    area_of, other_area_of = true.areas().tolist(), predicted.areas().tolist()
    overlapping = []
    for key, overlap in sorted(overlaps.items()):
        one, other = divmod(key, span)
        if true.classes[one - 1] == predicted.classes[other - 1]:
            overlapping.append(Pair(overlap / (area_of[one] + other_area_of[other] - overlap), one, other))
    return one_to_one(overlapping, above)


def one_to_one(overlapping: Iterable[Pair], above: float) -> list[Pair]:
    """Choose pairs above a threshold, the largest IoU first, each object once; ties go to the first true object.

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
