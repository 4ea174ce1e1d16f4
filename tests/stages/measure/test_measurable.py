"""Which objects are measured, and which of them are taken for one another, in cases drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelproof.scoring.objects import Objects, Pair, components, match
from stages.evaluate.objects import Prediction, find
from stages.measure.measurable import predicted_ones, true_ones
from tests.stages.measure.shapes import rectangle

GROUND, CAR, TREE = 0, 1, 2
THINGS = [CAR, TREE]
SIZE = (20, 40)
Labels = NDArray[np.uint8]


def labels(*boxes: tuple[int, int, int, int, int]) -> Labels:
    """A label map with rectangles: class, top, left, height, width."""
    array = np.zeros(SIZE, np.uint8)
    for kind, top, left, height, width in boxes:
        array[rectangle(SIZE, top, left, height, width)] = kind
    return array


def pixels(objects: Objects) -> list[int]:
    """Of object 1, 2, ..."""
    counted: list[int] = objects.areas()[1:].tolist()
    return counted


def seen(guess: Labels) -> tuple[Labels, Any]:
    """Predicted classes, and the numbers of what hangs together."""
    return guess, components(guess, THINGS).as_map().astype(np.uint16)


def test_objects_are_numbered_as_they_are_met_row_by_row() -> None:
    truth = labels((TREE, 1, 20, 3, 3), (CAR, 1, 1, 3, 4), (CAR, 10, 30, 2, 2), (TREE, 9, 5, 2, 5))
    found = true_ones(truth, None, THINGS, 1).objects
    assert found.classes.tolist() == [CAR, TREE, TREE, CAR] and pixels(found) == [12, 9, 10, 4]
    assert [int(found.as_map()[place]) for place in ((1, 1), (1, 20), (9, 5), (10, 30), (0, 0))] == [1, 2, 3, 4, 0]


def test_what_the_truth_ignores_is_measured_in_neither() -> None:
    truth = labels((CAR, 2, 2, 4, 10))
    truth[:, 7:17] = 255
    guess = labels((CAR, 2, 2, 4, 9), (TREE, 12, 10, 4, 9), (CAR, 12, 35, 4, 4))
    true, predicted = true_ones(truth, None, THINGS, 1), predicted_ones(*seen(guess), truth, THINGS, 1)
    assert (predicted.objects.classes.tolist(), predicted.ignored) == ([CAR, CAR], [TREE])  # 7 of the tree's 9 columns
    assert pixels(predicted.objects) == [20, 16]  # 5 columns of 9
    assert match(true.objects, predicted.objects, 0.5) == [Pair(1.0, 1, 1)]


def test_just_half_unknown_is_measured_from_its_first_known_pixel_on() -> None:
    truth, guess = labels((CAR, 1, 10, 2, 2)), labels((CAR, 0, 2, 8, 2), (TREE, 1, 10, 2, 2))
    truth[:4, :8] = 255
    predicted = predicted_ones(*seen(guess), truth, THINGS, 1)
    assert (predicted.objects.classes.tolist(), predicted.ignored) == ([TREE, CAR], [])


def test_specks_are_counted_and_not_measured() -> None:
    truth = labels((CAR, 1, 1, 2, 4), (TREE, 8, 8, 3, 3))
    found = true_ones(truth, None, THINGS, 9)
    assert (found.objects.classes.tolist(), found.specks, pixels(found.objects)) == ([TREE], [CAR], [9])
    none = predicted_ones(*seen(labels()), truth, THINGS, 9)
    assert (none.objects.classes.tolist(), match(found.objects, none.objects, 0.5)) == ([], [])


@pytest.mark.parametrize("above", [0.1, 0.5])
def test_what_is_measured_is_what_evaluate_counts_as_found(above: float) -> None:
    draw = np.random.default_rng(3)
    found = 0
    for _ in range(20):
        truth = np.kron(draw.integers(0, 3, (10, 20)), np.ones((2, 2), int)).astype(np.uint8)
        guess = np.where(draw.random(SIZE) < 0.15, draw.integers(0, 3, SIZE), truth).astype(np.uint8)
        instances = np.where(truth > 0, draw.integers(0, 3, SIZE), 0).astype(np.uint16)
        truth[draw.random(SIZE) < 0.05] = 255
        said = Prediction(guess, components(guess, THINGS))
        counted = [one.iou for one in find(truth, said, instances, THINGS, above) if one.kind == "found"]
        true, predicted = true_ones(truth, instances, THINGS, 1), predicted_ones(*seen(guess), truth, THINGS, 1)
        pairs = match(true.objects, predicted.objects, above)
        assert sorted(pair.iou for pair in pairs) == sorted(filter(None, counted))
        found += len(counted)
    assert found > 20
