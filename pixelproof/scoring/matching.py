"""Which predicted object is which true one: the one rule by which evaluate counts objects and measure compares them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Pair(NamedTuple):
    """A true and a predicted object that overlap."""

    iou: float
    true: int
    predicted: int


def one_to_one(overlapping: Iterable[Pair], above: float) -> list[Pair]:
    """Of overlaps above a threshold the largest first, each object once; of equal ones the first true object's.

    Above 0.5 no other matching is possible (Kirillov et al., Panoptic Segmentation, CVPR 2019, section 4.1).
    """
    true, predicted, kept = set[int](), set[int](), []
    for pair in sorted(overlapping, key=lambda pair: (-pair.iou, pair.true, pair.predicted)):
        if pair.iou > above and pair.true not in true and pair.predicted not in predicted:
            true.add(pair.true)
            predicted.add(pair.predicted)
            kept.append(pair)
    return kept
