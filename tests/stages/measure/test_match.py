"""Which objects there are, and which of them are taken for one another, in cases drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelproof.scoring.matching import Pair, one_to_one
from stages.evaluate.objects import find
from stages.measure.match import matched, predicted_objects, true_objects
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


def test_regions_of_a_class_that_touch_by_a_corner_are_one() -> None:
    found = true_objects(
        labels((CAR, 1, 1, 3, 3), (CAR, 4, 4, 3, 3), (TREE, 1, 4, 3, 3), (CAR, 10, 30, 2, 2)), None, THINGS, 1
    )
    assert found.classes == [CAR, TREE, CAR]
    assert np.bincount(found.numbers.ravel()).tolist() == [20 * 40 - 31, 18, 9, 4]


def test_instances_are_objects_and_what_is_in_none_is_a_region() -> None:
    truth = labels((CAR, 2, 2, 4, 10), (TREE, 2, 20, 4, 4), (CAR, 12, 20, 4, 4))
    instances = np.zeros(SIZE, np.uint16)
    instances[2:6, 2:7], instances[2:6, 7:12] = 9, 4  # two cars that touch
    instances[12:14, 0:3] = 5  # of a class that is no thing
    instances[3, 7:12] = 9  # and a part of the first that lies apart, behind the second
    found = true_objects(truth, instances, THINGS, 1)
    assert found.classes == [CAR, CAR, TREE, CAR]
    assert [int(np.count_nonzero(found.numbers == n)) for n in (1, 2, 3, 4)] == [25, 15, 16, 16]


def test_overlap_decides_and_classes_do_not_mix() -> None:
    truth = labels((CAR, 2, 2, 5, 6), (CAR, 2, 20, 5, 6), (TREE, 12, 2, 5, 5), (CAR, 12, 20, 4, 4))
    guess = labels((CAR, 2, 4, 5, 6), (CAR, 3, 20, 5, 6), (CAR, 12, 2, 5, 5), (TREE, 12, 30, 4, 4))
    true, predicted = true_objects(truth, None, THINGS, 1), predicted_objects(guess, truth, THINGS, 1)
    # 20 of 40 pixels; 24 of 36; the tree that was called a car; a car that was not seen; a tree that is none.
    assert matched(predicted, true, 0.5) == [Pair(24 / 36, 2, 2)]
    assert matched(predicted, true, 0.49) == [Pair(0.5, 1, 1), Pair(24 / 36, 2, 2)]


def test_the_better_overlap_comes_first() -> None:
    truth = labels((CAR, 2, 2, 4, 10))
    guess = labels((CAR, 2, 2, 4, 4), (CAR, 2, 7, 4, 5))
    pairs = matched(predicted_objects(guess, truth, THINGS, 1), true_objects(truth, None, THINGS, 1), 0.3)
    assert pairs == [Pair(0.5, true=1, predicted=2)]


def test_what_the_truth_ignores_is_measured_in_neither() -> None:
    truth = labels((CAR, 2, 2, 4, 10))
    truth[:, 7:17] = 255
    guess = labels((CAR, 2, 2, 4, 9), (TREE, 12, 10, 4, 9), (CAR, 12, 35, 4, 4))
    true, predicted = true_objects(truth, None, THINGS, 1), predicted_objects(guess, truth, THINGS, 1)
    assert (predicted.classes, predicted.ignored) == ([CAR, CAR], [TREE])  # 7 of the tree's 9 columns
    assert int(np.count_nonzero(predicted.numbers == 1)) == 20  # 5 columns of 9
    assert matched(predicted, true, 0.5) == [Pair(1.0, 1, 1)]


def test_specks_are_counted_and_not_measured() -> None:
    truth = labels((CAR, 1, 1, 2, 4), (TREE, 8, 8, 3, 3))
    found = true_objects(truth, None, THINGS, 9)
    assert (found.classes, found.specks, int(found.numbers.max())) == ([TREE], [CAR], 1)
    none = predicted_objects(labels(), truth, THINGS, 9)
    assert (none.classes, matched(none, found, 0.5)) == ([], [])


def test_each_object_once_and_of_equal_overlaps_the_first() -> None:
    overlapping = [Pair(0.6, 2, 1), Pair(0.6, 1, 1), Pair(0.7, 3, 2), Pair(0.8, 3, 3), Pair(0.3, 2, 2)]
    assert one_to_one(overlapping, 0.3) == [Pair(0.8, 3, 3), Pair(0.6, 1, 1)]
    assert one_to_one(overlapping, 0.2) == [Pair(0.8, 3, 3), Pair(0.6, 1, 1), Pair(0.3, 2, 2)]


@pytest.mark.parametrize("above", [0.1, 0.5])
def test_what_is_measured_is_what_evaluate_counts_as_found(above: float) -> None:
    draw = np.random.default_rng(3)
    found = 0
    for _ in range(20):
        truth = np.kron(draw.integers(0, 3, (10, 20)), np.ones((2, 2), int)).astype(np.uint8)
        guess = np.where(draw.random(SIZE) < 0.15, draw.integers(0, 3, SIZE), truth).astype(np.uint8)
        instances = np.where(truth > 0, draw.integers(0, 3, SIZE), 0).astype(np.uint16)
        truth[draw.random(SIZE) < 0.05] = 255
        counted = [one.iou for one in find(truth, guess, instances, THINGS, above) if one.kind == "found"]
        true, predicted = true_objects(truth, instances, THINGS, 1), predicted_objects(guess, truth, THINGS, 1)
        assert sorted(pair.iou for pair in matched(predicted, true, above)) == sorted(filter(None, counted))
        found += len(counted)
    assert found > 20
