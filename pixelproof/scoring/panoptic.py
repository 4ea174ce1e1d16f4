"""Panoptic quality (PQ): of every pixel its class, and of things which object. Pure: arrays in, numbers out.

Kirillov, He, Girshick, Rother, Dollár, "Panoptic Segmentation", CVPR 2019. A segment is an object of a thing's class,
or all pixels of another class. A true and a predicted segment of a class match if their IoU is above 0.5, so that at
most one of each does (section 4.1). PQ is the sum of the IoUs of matches over matches plus half of the unmatched
segments: the mean IoU of matches (SQ) times the share of segments that match (RQ, the F1 score).

Pixels whose truth is ignored count on neither side, and a predicted segment of which more than half is ignored, or is
of a crowd of its class, counts only if it matches (section 4.2). Numbers are added up over images before the quotient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.data.grid import strips
from pixelproof.scoring.formulas import ratio
from pixelproof.scoring.precision import THRESHOLDS

Numbers = NDArray[np.integer[Any]]
BITS = 32
AT_ONCE = 2**20  # pixels that are counted together
COUNTS = ("iou", "invented", "missed", *(f"hits_{round(100 * threshold)}" for threshold in THRESHOLDS))
ROWS = len(COUNTS)  # of a table: what `match` counts of a class


class Quality(NamedTuple):
    """Of one class, or of several together."""

    pq: float | None
    sq: float | None
    rq: float | None


@dataclass(frozen=True)
class Segments:
    """A label map and the objects in it.

    Attributes:
        classes: Class ids, `IGNORE` where it is unknown, [height, width].
        objects: The number of each pixel's object, 0 for none, [height, width]; read only where the class is a thing.
        crowd: Where there are objects of the class that nobody told apart, [height, width]; None for nowhere.
    """

    classes: NDArray[np.uint8]
    objects: Numbers
    crowd: NDArray[np.bool_] | None = None

    def part(self, rows: slice) -> Segments:
        """Some rows."""
        return Segments(self.classes[rows], self.objects[rows], None if self.crowd is None else self.crowd[rows])


class Matched(NamedTuple):
    """What PQ follows from, and which true segments have a match, by their `keys`."""

    table: NDArray[np.float64]
    found: frozenset[int]


def count(truth: Segments, predicted: Segments, classes: int, things: Sequence[int]) -> NDArray[np.float64]:
    """What PQ follows from, of one image.

    Returns:
        [ROWS, classes]: the sum of IoUs of matches, predicted segments without one, true ones without one, and how many
        matches have an IoU above each of `THRESHOLDS`, of which the first is 0.5.

    Example:
        >>> truth = Segments(np.array([[0, 1, 1, 1]], np.uint8), np.array([[0, 1, 1, 2]]))
        >>> found = Segments(np.array([[0, 1, 1, 1]], np.uint8), np.array([[0, 1, 1, 1]]))
        >>> count(truth, found, 2, [1])[:4].round(2).tolist()
        [[1.0, 0.67], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    """
    return match(truth, predicted, classes, things).table


def match(truth: Segments, predicted: Segments, classes: int, things: Sequence[int]) -> Matched:
    """The same, with the true segments that have a match."""
    seen = _Seen()
    for rows in strips(truth.classes.shape, AT_ONCE):
        seen.add(truth.part(rows), predicted.part(rows), things)
    found = np.zeros((ROWS, classes))
    matched = set[int](), set[int]()
    for (one, other), both in seen.pairs.items():
        if one >> BITS == other >> BITS and 2 * both > (either := seen.true[one] + seen.judged[other] - both):
            found[0, one >> BITS] += both / either
            found[3:, one >> BITS] += both / either > THRESHOLDS
            matched[0].add(one)
            matched[1].add(other)
    for other in seen.judged.keys() - matched[1]:
        hidden = seen.whole[other] - seen.judged[other] + seen.crowd[other]
        found[1, other >> BITS] += 2 * hidden <= seen.whole[other]
    for one in seen.true.keys() - matched[0]:
        found[2, one >> BITS] += 1
    return Matched(found, frozenset(matched[0]))


class _Seen:
    """How many pixels each segment has, and each pair of a true and a predicted one."""

    def __init__(self) -> None:
        self.pairs = Counter[tuple[int, int]]()
        self.true = Counter[int]()
        self.whole, self.judged, self.crowd = Counter[int](), Counter[int](), Counter[int]()  # of predicted ones

    def add(self, truth: Segments, predicted: Segments, things: Sequence[int]) -> None:
        """Count some rows."""
        is_thing = np.zeros(IGNORE + 1, bool)
        is_thing[list(things)] = True
        known, said = truth.classes != IGNORE, predicted.classes != IGNORE
        crowd = np.zeros_like(known) if truth.crowd is None else truth.crowd & known
        true, guessed = keys(truth, is_thing), keys(predicted, is_thing)
        self.true.update(counted(true[known & ~crowd]))
        self.whole.update(counted(guessed[said]))
        self.judged.update(counted(guessed[known & said]))
        self.crowd.update(counted(guessed[crowd & (truth.classes == predicted.classes)]))
        both = known & ~crowd & (truth.classes == predicted.classes)
        ones, of = np.unique(true[both], return_inverse=True)
        others, to = np.unique(guessed[both], return_inverse=True)
        for key, pixels in counted(of.astype(np.int64) * len(others) + to).items():
            one, other = divmod(key, len(others))
            self.pairs[int(ones[one]), int(others[other])] += pixels


def quality(counts: NDArray[np.float64], classes: Sequence[int]) -> Quality:
    """The means of PQ, SQ and RQ over classes that occur, in truth or in prediction; None if none does.

    Args:
        counts: The sum of what `count` gives of each image.
        classes: Which to take.

    Example:
        >>> quality(np.array([[1.0, 0.67], [0, 0], [0, 1], [1, 1]]), [0, 1])
        Quality(pq=0.72..., sq=0.835, rq=0.83...)
    """
    iou, invented, missed, matches = counts[:4, classes]
    segments = matches + (invented + missed) / 2
    there = segments > 0
    if not there.any():
        return Quality(None, None, None)
    iou, matches, segments = iou[there], matches[there], segments[there]
    mean_iou = np.divide(iou, matches, out=np.zeros_like(iou), where=matches > 0)
    return Quality(*(float(values.mean()) for values in (iou / segments, mean_iou, matches / segments)))


def quality_by_class(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """PQ of each class.

    Args:
        counts: Sums of what `count` gives of each image, [..., ROWS, classes].

    Returns:
        [..., classes]; NaN where a class has no segment, in truth or in prediction.
    """
    iou, invented, missed, matches = np.moveaxis(counts, -2, 0)[:4]
    segments = matches + (invented + missed) / 2
    return ratio(iou, segments)


def challenge(counts: NDArray[np.float64], classes: Sequence[int]) -> float | None:
    """The score of the 2018 Data Science Bowl, of one image: the mean over thresholds of hits / (all objects, once).

    Caicedo et al., "Nucleus segmentation across imaging experiments", Nature Methods 2019. Nothing to find and nothing
    found is None.
    """
    table = counts[:, classes].sum(1)
    either = 2 * table[3] + table[1] + table[2] - table[3:]
    return float((table[3:] / either).mean()) if either[0] else None


def keys(segments: Segments, is_thing: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for each pixel's segment: its class, and the number of its object if that is a thing."""
    found = segments.classes.astype(np.int64) << BITS
    return np.where(is_thing[segments.classes], found + segments.objects, found)


def touching(segments: Segments, things: Sequence[int]) -> frozenset[int]:
    """The objects that touch another one of their class, also by a corner, by their `keys`; crowds are none.

    Example:
        >>> row = np.array([[1, 1, 1, 0, 1]], np.uint8)
        >>> two, alone = 1 << BITS | 2, 1 << BITS | 3
        >>> sorted(touching(Segments(row, np.array([[1, 2, 2, 0, 3]])), [1])) == [1 << BITS | 1, two]
        True
    """
    is_object = np.isin(segments.classes, things) & (segments.objects > 0)
    numbers = np.where(is_object, keys(segments, np.ones(IGNORE + 1, bool)), -1)
    found = set[int]()
    for rows, columns in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one, other = beside(numbers, rows, columns)
        apart = (one != other) & (one >= 0) & (other >= 0) & (one >> BITS == other >> BITS)
        found |= {*one[apart].tolist(), *other[apart].tolist()}
    return frozenset(found)


def beside(values: NDArray[np.int64], rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each value, and the one so many rows below it and columns to its right, where there is one."""
    height, width = values.shape
    left, right = max(-columns, 0), min(width, width - columns)
    return values[: height - rows, left:right], values[rows:, left + columns : right + columns]


def counted(numbers: NDArray[np.int64]) -> dict[int, int]:
    """How often each number occurs."""
    found, times = np.unique(numbers, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))
