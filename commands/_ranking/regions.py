"""Regions of a label map that a network contradicts. Pure: arrays in, regions out.

A pixel is contradicted if the network's class is another than its label; how strongly say the odds: the logarithm of
the predicted class's probability over the label's. Networks are never right to the pixel at edges, so a region needs a
core more than 2 pixels away from every edge between labels; what is more than 2 pixels away from the core is left out.
A shifted mask is exempt: its two crescents lie along edges by nature.

What belongs together is one region:

- **wrong class**: at least half of a labelled part (connected pixels of one label) is contradicted;
- **missing object**: at least half of a predicted object is, and it is of a class whose objects can be counted;
- **shifted mask**: a labelled and a predicted object of one class, some pixels apart, that fit when moved together;
- **other**: any other connected pixels of one label that are predicted as one class.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE

Kind = Literal["wrong class", "missing object", "shifted mask", "other"]
Labels = NDArray[np.uint8]
Odds = NDArray[np.float32]
Where = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Box = tuple[slice, slice]

EDGE = 2  # pixels: as far from a label's edge a network may be wrong without being asked about it
MOST = 0.5  # share of a part that is contradicted as a whole
LEAST = 1e-3  # added to probabilities: none is so sure of itself as to count for all others
MOVED, FITS, GAIN = 3, 0.6, 0.15  # of a shifted mask: least pixels, least IoU when moved back, and by how much it grows


@dataclass(frozen=True)
class Region:
    """Pixels of one image that the network contradicts.

    Attributes:
        kind: what is probably wrong.
        box: its rows and columns.
        inside: its pixels in the box.
        odds: the sum of the odds by label and predicted class.
    """

    kind: Kind
    box: Box
    inside: Where
    odds: dict[tuple[int, int], float]

    @cached_property
    def area(self) -> int:
        """The number of its pixels."""
        return int(self.inside.sum())

    @property
    def pair(self) -> tuple[int, int]:
        """The label and the predicted class with the largest sum of odds."""
        return max(self.odds, key=lambda pair: (self.odds[pair], pair))


@dataclass(frozen=True)
class Parts:
    """The connected parts (8 neighbours) of a label map, numbered from 1, and how much of each is contradicted."""

    numbers: Numbers
    boxes: list[Box]
    areas: Numbers
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Labels, contradicted: Where) -> Parts:
        """Find them; ignored pixels are in no part."""
        from scipy.ndimage import find_objects
        from skimage.measure import label

        numbers = label(labels.astype(np.int64) + 1, background=IGNORE + 1, connectivity=2)
        areas = np.bincount(numbers.ravel())
        wrong = np.bincount(numbers[contradicted], minlength=len(areas))
        return cls(numbers, find_objects(numbers), areas, wrong / np.maximum(areas, 1))


def odds_of(probabilities: NDArray[np.float32], labels: Labels) -> tuple[Labels, Odds]:
    """The predicted classes, and the odds of each against the label.

    Args:
        probabilities: of each class at each pixel (CHW).
        labels: class ids, 255 for ignored pixels.

    Returns:
        Class ids, 255 where the label is ignored; the odds, 0 where prediction and label agree or nothing is labelled.

    Example:
        >>> predicted, odds = odds_of(np.array([[[0.8, 0.2]], [[0.2, 0.8]]], np.float32), np.array([[0, 0]], np.uint8))
        >>> predicted.tolist(), [f"{value:.2f}" for value in odds[0]]
        ([[0, 1]], ['0.00', '1.38'])
    """
    known = labels != IGNORE
    predicted = np.where(known, probabilities.argmax(axis=0), IGNORE).astype(np.uint8)
    given = np.take_along_axis(probabilities, np.where(known, labels, 0)[None].astype(np.int64), axis=0)[0]
    odds = np.log((probabilities.max(axis=0) + LEAST) / (given + LEAST))
    return predicted, np.where(known & (predicted != labels), odds, 0).astype(np.float32)


def find_regions(labels: Labels, predicted: Labels, odds: Odds, things: Collection[int]) -> list[Region]:
    """The contradicted regions of one image.

    Args:
        labels: class ids, 255 for ignored pixels.
        predicted: the network's, 255 at the same pixels.
        odds: as `odds_of` gives them.
        things: the classes whose objects can be counted.

    Returns:
        The regions, from the top down; no pixel is in two.
    """
    contradicted = labels != predicted
    of_labels, of_predicted = Parts.of(labels, contradicted), Parts.of(predicted, contradicted)
    owners, kinds = np.zeros(labels.shape, np.int64), list[Kind]()
    for box, crescents in shifted(labels, predicted, of_labels, of_predicted, things):
        free = crescents & contradicted[box] & (owners[box] == 0)
        if free.any():
            kinds.append("shifted mask")
            owners[box][free] = len(kinds)
    rest = with_core(labels, predicted, contradicted & (owners == 0))
    kinds += own(owners, rest, of_labels, of_predicted, np.isin(predicted, list(things)))
    return [_region(kind, box, owners[box] == number, labels[box], predicted[box], odds[box])
            for number, (kind, box) in enumerate(zip(kinds, _boxes(owners), strict=True), start=1)]  # fmt: skip


def with_core(labels: Labels, predicted: Labels, contradicted: Where) -> Numbers:
    """Contradicted pixels by connected piece of one label and one prediction, numbered; 0 for the rest and slivers."""
    from skimage.measure import label

    pair = labels.astype(np.int64) * (IGNORE + 1) + predicted + 1
    pieces: Numbers = label(np.where(contradicted, pair, 0), connectivity=2)
    square = np.ones((2 * EDGE + 1, 2 * EDGE + 1), np.uint8)
    core = contradicted & (cv2.dilate(labels, square) == cv2.erode(labels, square))
    has_core = np.zeros(int(pieces.max()) + 1, np.bool_)
    has_core[pieces[core]] = True
    kept = has_core[pieces] & (cv2.dilate(core.view(np.uint8), square) > 0)
    return np.where(kept, pieces, 0)


def own(owners: Numbers, pieces: Numbers, of_labels: Parts, of_predicted: Parts, countable: Where) -> list[Kind]:
    """Give each piece to the labelled part, else to the predicted object, that is contradicted as a whole.

    Any other piece is a region by itself.

    Args:
        owners: where to write the numbers of the new regions, after those that are there.
        pieces: the pieces by number.
        of_labels: the parts of the labels.
        of_predicted: those of the prediction.
        countable: where the predicted class is a thing.

    Returns:
        The kinds of the new regions.
    """
    at = np.flatnonzero(pieces)
    part, found = of_labels.numbers.ravel()[at], of_predicted.numbers.ravel()[at]
    wrong = of_labels.shares[part] >= MOST
    missing = ~wrong & countable.ravel()[at] & (of_predicted.shares[found] >= MOST)
    sort = np.where(wrong, 0, np.where(missing, 1, 2))
    number = np.choose(sort, [part, found, pieces.ravel()[at]])
    keys, numbers = np.unique(np.stack([sort, number]), axis=1, return_inverse=True)
    owners.ravel()[at] = owners.max(initial=0) + 1 + numbers.ravel()
    names: tuple[Kind, ...] = ("wrong class", "missing object", "other")
    return [names[key] for key in keys[0]]


def shifted(
    labels: Labels, predicted: Labels, of_labels: Parts, of_predicted: Parts, things: Collection[int]
) -> Iterator[tuple[Box, Where]]:
    """The crescents of labelled and predicted objects that fit each other when moved: a box and the pixels in it.

    Objects that do not overlap are a pair only if both are contradicted, so that of two neighbours that are well
    labelled none is taken for the other.
    """
    ours, theirs = (_objects(*of, things) for of in ((labels, of_labels), (predicted, of_predicted)))
    pairs = []
    for one, label in ours:
        for other, found in theirs:
            if label == found and _near(of_labels.boxes[one - 1], of_predicted.boxes[other - 1]):
                box = _around(of_labels.boxes[one - 1], of_predicted.boxes[other - 1])
                mine, its = of_labels.numbers[box] == one, of_predicted.numbers[box] == other
                before, after = _fit(mine, its)
                alone = min(of_labels.shares[one], of_predicted.shares[other]) >= MOST
                if after >= max(FITS, before + GAIN) and (before > 0 or alone):
                    pairs.append((-before, -after, one, other, box, mine ^ its))
    taken, met = set[int](), set[int]()
    for _, _, one, other, box, crescents in sorted(pairs, key=lambda pair: pair[:4]):
        if one not in taken and other not in met:
            taken.add(one)
            met.add(other)
            yield box, crescents


def _objects(labels: Labels, parts: Parts, things: Collection[int]) -> list[tuple[int, int]]:
    """The numbers and classes of the parts that are contradicted at least in part and of a thing."""
    first = np.zeros(len(parts.areas), np.int64)
    first[parts.numbers] = labels
    return [(n, int(first[n])) for n in range(1, len(parts.areas)) if parts.shares[n] > 0 and int(first[n]) in things]


def _near(one: Box, other: Box) -> bool:
    """Whether two boxes are at most half of the first one's longer side apart."""
    reach = max(side.stop - side.start for side in one) / 2
    return all(a.start - reach <= b.stop and b.start <= a.stop + reach for a, b in zip(one, other, strict=True))


def _around(one: Box, other: Box) -> Box:
    rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return rows, columns


def _fit(mine: Where, its: Where) -> tuple[float, float]:
    """The IoU of two objects as they lie, and with their centres moved together; 0 for the second if that is near."""
    (down, right) = (round(float(a.mean() - b.mean())) for a, b in zip(its.nonzero(), mine.nonzero(), strict=True))
    if max(abs(down), abs(right)) < MOVED:
        return 0.0, 0.0
    room = max(abs(down), abs(right))
    large, moved = np.pad(its, room), np.roll(np.pad(mine, room), (down, right), (0, 1))
    return _iou(mine, its), _iou(moved, large)


def _iou(one: Where, other: Where) -> float:
    return float((one & other).sum() / (one | other).sum())


def _boxes(owners: Numbers) -> list[Box]:
    from scipy.ndimage import find_objects

    found: list[Box] = find_objects(owners)
    return found


def _region(kind: Kind, box: Box, inside: Where, labels: Labels, predicted: Labels, odds: Odds) -> Region:
    """A region with its odds added up by label and prediction."""
    pairs = labels[inside].astype(np.int64) * (IGNORE + 1) + predicted[inside]
    sums = np.bincount(pairs, odds[inside])
    found = {divmod(int(pair), IGNORE + 1): float(sums[pair]) for pair in np.unique(pairs)}
    return Region(kind, box, inside, found)
