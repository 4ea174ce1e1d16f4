"""Average precision (AP) of detections, as COCO counts it. Pure: arrays in, numbers out.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code, which tests compare it to.
Of an image, what is kept for each class are pieces: for each detection its score, and whether it is right at each IoU
threshold, for each range of areas; and how many true objects there are. From the pieces of any images AP follows, so
that groups of images can be resampled without matching again.

- Detections are matched in the order of their scores, each with the free true object that it overlaps most, if by the
  threshold at least. Of equal overlaps the later object is taken, as there.
- A true object that is ignored (a crowd, or an area outside of the range) is matched only where nothing else is; what
  matches it counts neither as right nor as wrong. A crowd may match many, by the share of the detection that it covers.
- A detection that matches nothing and whose area is outside of the range does not count either.
- AP is the mean over 101 recalls of the best precision at that recall or beyond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelproof.scoring.formulas import mean

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
RECALLS: Floats = np.linspace(0.0, 1.0, 101)
HEADLINES = ("AP", "AP50", "AP75")
SMALLEST = float(np.spacing(1))  # what the divisor is raised by, as there


@dataclass(frozen=True)
class Pieces:
    """What AP of one class follows from, of one image or of several.

    Attributes:
        scores: Of the detections, [D].
        right: Whether each matches a true object that counts, [ranges, thresholds, D].
        counted: Whether it counts at all, [ranges, thresholds, D].
        truths: How many true objects count, [ranges].
    """

    scores: Floats
    right: Flags
    counted: Flags
    truths: NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """The objects of one class that were found in one image, and how they lie to the true ones.

    Attributes:
        scores: [D].
        areas: Of the detections, [D].
        overlaps: [D, G]: IoU with each true object; for a crowd, the share of the detection that it covers.
        true_areas: [G].
        crowd: [G].
    """

    scores: Floats
    areas: Floats
    overlaps: Floats
    true_areas: Floats
    crowd: Flags


def pieces(found: Found, ranges: Sequence[tuple[float, float]], most: int) -> Pieces:
    """Match the detections of an image.

    Args:
        found: Of one class.
        ranges: Of areas, both ends included.
        most: How many detections count, those with the best scores.
    """
    order = np.argsort(-found.scores, kind="stable")[:most]
    areas, overlaps = found.areas[order], found.overlaps[order]
    right, counted, truths = [], [], []
    for low, high in ranges:
        ignored = found.crowd | (found.true_areas < low) | (found.true_areas > high)
        matched, of = matches(overlaps, ignored, found.crowd)
        outside = (areas < low) | (areas > high)
        neither = np.where(matched, ignored[of] if len(ignored) else False, outside[None])
        right.append(matched & ~neither)
        counted.append(~neither)
        truths.append(int((~ignored).sum()))
    return Pieces(found.scores[order], np.array(right), np.array(counted), np.array(truths, np.int64))


def matches(overlaps: Floats, ignored: Flags, crowd: Flags) -> tuple[Flags, NDArray[np.int64]]:
    """Which detection matches a true object at each threshold, and which one; both [thresholds, D].

    Args:
        overlaps: [D, G], the best detection first.
        ignored: [G].
        crowd: [G], which can be matched again and again.
    """
    detections, objects = overlaps.shape
    matched, of = np.zeros((len(THRESHOLDS), detections), bool), np.zeros((len(THRESHOLDS), detections), np.int64)
    if not objects:
        return matched, of
    free = np.ones((len(THRESHOLDS), objects), bool)
    enough = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    for number in range(detections):
        possible = np.where(free & (overlaps[number] >= enough), overlaps[number], -1.0)
        regular = np.where(ignored, -1.0, possible)
        chosen: Floats = np.where(regular.max(1, keepdims=True) >= 0, regular, possible)
        last = objects - 1 - chosen[:, ::-1].argmax(1)
        hit: Flags = np.any(chosen >= 0, axis=1)
        matched[:, number], of[:, number] = hit, last
        free[hit, last[hit]] = crowd[last[hit]]
    return matched, of


def joined(parts: Sequence[Pieces]) -> Pieces:
    """The pieces of several images together; of equal scores the earlier image comes first."""
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    return Pieces(
        scores[order],
        np.concatenate([part.right for part in parts], axis=2)[..., order],
        np.concatenate([part.counted for part in parts], axis=2)[..., order],
        np.sum([part.truths for part in parts], axis=0),
    )


def average_precisions(parts: Sequence[Pieces]) -> Floats:
    """AP of one class over several images, [ranges, thresholds]; NaN where there are no true objects.

    Example:
        >>> flags = np.array([True, False, True]).reshape(1, 1, 3).repeat(10, 1)
        >>> one = Pieces(np.array([0.9, 0.8, 0.7]), flags, np.ones_like(flags), np.array([2]))
        >>> print(average_precisions([one])[0, 0].round(3))  # precision 1 up to recall 0.5, then 2/3
        0.835
    """
    together = joined(parts)
    found: Floats = np.full((len(together.truths), len(THRESHOLDS)), np.nan)
    for place, objects in enumerate(together.truths):
        if objects:
            for level in range(len(THRESHOLDS)):
                counted = together.counted[place, level]
                found[place, level] = average_precision(together.right[place, level][counted], int(objects))
    return found


def leaving_out(parts: Sequence[Pieces], of: NDArray[np.int64], groups: int) -> Floats:
    """AP of one class over areas of any size: of all images, and without each group of them in turn.

    Args:
        parts: The pieces of each image.
        of: The number of each image's group.
        groups: How many there are.

    Returns:
        [1 + groups, thresholds]; NaN where there are no true objects.
    """
    found: Floats = np.full((1 + groups, len(THRESHOLDS)), np.nan)
    if not parts:
        return found
    image = np.repeat(of, [len(part.scores) for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    group = image[order]
    right, counted = (np.concatenate(each, axis=1)[:, order] for each in zip(*map(_of_any_area, parts), strict=True))
    truths = np.bincount(of, [part.truths[0] for part in parts], groups).astype(np.int64)
    for row in range(1 + groups):
        objects, kept = int(truths.sum()), counted
        if row:
            objects, kept = objects - int(truths[row - 1]), counted & (group != row - 1)
        if objects:
            found[row] = [average_precision(hits[seen], objects) for hits, seen in zip(right, kept, strict=True)]
    return found


def headlines(of_classes: Floats) -> Floats:
    """AP, AP50 and AP75: means over the classes that have objects.

    Args:
        of_classes: [..., classes, thresholds].

    Returns:
        [..., 3]; NaN where no class has objects.

    Example:
        >>> headlines(np.array([[1.0] * 10, [0.5] * 10, [np.nan] * 10]))
        array([0.75, 0.75, 0.75])
    """
    columns = np.stack([of_classes.mean(-1), of_classes[..., 0], of_classes[..., 5]], axis=-1)
    return mean(columns, axis=-2)


def _of_any_area(part: Pieces) -> tuple[Flags, Flags]:
    return part.right[0], part.counted[0]


def average_precision(right: Flags, objects: int) -> float:
    """AP from whether each detection is right, the best first, and the number of true objects."""
    hits = np.cumsum(right)
    precision = hits / (np.arange(1, len(right) + 1) + SMALLEST)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / objects, RECALLS, side="left")
    return float(np.where(at < len(best), np.append(best, 0.0)[at], 0.0).mean())


def summary(of_classes: Mapping[str, Floats], ranges: Sequence[str]) -> dict[str, float | None]:
    """AP, AP50 and AP75 over all areas, and AP of each other range: means over the classes that have such objects.

    Args:
        of_classes: For each class, [ranges, thresholds], as `average_precisions` gives them.
        ranges: Their names; the first is of all areas.
    """
    table = np.array(list(of_classes.values())).reshape(-1, len(ranges), len(THRESHOLDS))
    columns = {"AP": table[:, 0].mean(1), "AP50": table[:, 0, 0], "AP75": table[:, 0, 5]}
    columns |= {f"AP_{name}": table[:, place].mean(1) for place, name in enumerate(ranges) if place}
    return {name: mean_of_known(values) for name, values in columns.items()}


def mean_of_known(values: Floats) -> float | None:
    """The mean of those that are not NaN; None if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
