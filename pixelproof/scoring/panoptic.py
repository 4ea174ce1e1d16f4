"""Panoptic quality (PQ): of every pixel its class, and of things which object. Pure: arrays in, numbers out.

Kirillov, He, Girshick, Rother, Dollár, "Panoptic Segmentation", CVPR 2019. A segment is an object of a thing's class,
or all pixels of another class. A true and a predicted segment of a class match if their IoU is above 0.5, so that at
most one of each does (section 4.1). PQ is the sum of the IoUs of matches over matches plus half of the unmatched
segments: the mean IoU of matches (SQ) times the share of segments that match (RQ, the F1 score).

Pixels whose truth is ignored count on neither side, and a predicted segment of which more than half is ignored, or is
of a crowd of its class, counts only if it matches (section 4.2). Numbers are added up over images before the quotient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE

Numbers = NDArray[np.integer]
BITS = 32


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


def count(truth: Segments, predicted: Segments, classes: int, things: list[int]) -> NDArray[np.float64]:
    """What PQ follows from, of one image.

    Returns:
        [4, classes]: the sum of IoUs of matches, matches, predicted segments without one, and true ones without one.

    Example:
        >>> truth = Segments(np.array([[0, 1, 1, 1]], np.uint8), np.array([[0, 1, 1, 2]]))
        >>> found = Segments(np.array([[0, 1, 1, 1]], np.uint8), np.array([[0, 1, 1, 1]]))
        >>> count(truth, found, 2, [1]).round(2).tolist()
        [[1.0, 0.67], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    """
    is_thing = np.zeros(IGNORE + 1, bool)
    is_thing[things] = True
    known = truth.classes != IGNORE
    crowd = np.zeros_like(known) if truth.crowd is None else truth.crowd & known
    judged = known & ~crowd
    true, guessed = keys(truth, is_thing), keys(predicted, is_thing)
    areas, sizes = areas_of(true[judged]), areas_of(guessed[known & (predicted.classes != IGNORE)])
    pairs, pixels = np.unique(np.stack([true[judged], guessed[judged]]), axis=1, return_counts=True)
    found = np.zeros((4, classes))
    matched = set[int](), set[int]()
    for one, other, both in zip(*pairs.tolist(), pixels.tolist(), strict=True):
        if one >> BITS == other >> BITS and 2 * both > (either := areas[one] + sizes[other] - both):
            found[:2, one >> BITS] += both / either, 1
            matched[0].add(one)
            matched[1].add(other)
    whole, of_crowd = areas_of(guessed), areas_of(guessed[crowd & (truth.classes == predicted.classes)])
    for other in sizes.keys() - matched[1]:
        hidden = whole[other] - sizes[other] + of_crowd.get(other, 0)
        found[2, other >> BITS] += 2 * hidden <= whole[other]
    for one in areas.keys() - matched[0]:
        found[3, one >> BITS] += 1
    return found


def quality(counts: NDArray[np.float64], classes: list[int]) -> Quality:
    """The means of PQ, SQ and RQ over classes that occur, in truth or in prediction; None if none does.

    Args:
        counts: The sum of what `count` gives of each image.
        classes: Which to take.

    Example:
        >>> quality(np.array([[1.0, 0.67], [1, 1], [0, 0], [0, 1]]), [0, 1])
        Quality(pq=0.7233..., sq=0.835, rq=0.833...)
    """
    iou, matches, invented, missed = counts[:, classes]
    segments = matches + (invented + missed) / 2
    there = segments > 0
    if not there.any():
        return Quality(None, None, None)
    iou, matches, segments = iou[there], matches[there], segments[there]
    mean_iou = np.divide(iou, matches, out=np.zeros_like(iou), where=matches > 0)
    return Quality(*(float(values.mean()) for values in (iou / segments, mean_iou, matches / segments)))


def keys(segments: Segments, is_thing: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for each pixel's segment: its class, and the number of its object if that is a thing."""
    found = segments.classes.astype(np.int64) << BITS
    return np.where(is_thing[segments.classes], found + segments.objects, found)


def areas_of(numbers: NDArray[np.int64]) -> dict[int, int]:
    """How often each number occurs."""
    found, times = np.unique(numbers, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))
