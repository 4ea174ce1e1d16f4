"""Which objects of an image are measured: those that are large enough, and not mostly ignored. Pure.

pixelproof/scoring/objects.py defines objects. Ignored pixels belong to neither true nor predicted objects; a predicted
object with more than half of its pixels ignored cannot be judged and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array
from pixelproof.scoring.objects import Objects, true_objects


@dataclass(frozen=True)
class Measurable:
    """The objects of one image that are measured, numbered by their first pixels, row by row."""

    objects: Objects
    specks: list[int]  # classes of objects that are too small
    ignored: list[int]  # classes of objects that are mostly ignored


def true_ones(truth: Array, instances: Array | None, things: Sequence[int], smallest: int) -> Measurable:
    """The true objects without the specks."""
    objects = true_objects(truth, instances, things)
    large = objects.areas()[1:] >= smallest
    return Measurable(in_reading_order(objects, large), objects.classes[~large].tolist(), [])


def predicted_ones(labels: Array, instances: Array, truth: Array, things: Sequence[int], smallest: int) -> Measurable:
    """The predicted objects, cut to known pixels, without those that are mostly ignored and without the specks."""
    numbered = np.where(instances > 0, labels, np.uint8(IGNORE))
    whole, known = true_objects(numbered, instances, things), truth != IGNORE
    ignored = whole.mostly_outside(known)[1:]
    objects = whole.within(known)
    large = objects.areas()[1:] >= smallest
    return Measurable(
        in_reading_order(objects, large & ~ignored),
        objects.classes[~large & ~ignored].tolist(),
        objects.classes[ignored].tolist(),
    )


def in_reading_order(objects: Objects, kept: NDArray[np.bool_]) -> Objects:
    """Some of the objects (number 1, 2, ...: kept or not), renumbered by their first pixels, row by row."""
    numbers = 1 + np.flatnonzero(kept)
    numbers = numbers[np.argsort(objects.first_indices()[numbers])]
    again = np.zeros(len(kept) + 1, np.int64)
    again[numbers] = 1 + np.arange(len(numbers))
    there = again[objects.numbers]
    return Objects(objects.shape, objects.indices[there > 0], there[there > 0], objects.classes[numbers - 1])
