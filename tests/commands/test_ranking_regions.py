"""Regions and their scores, on label maps that were worked out by hand."""

from __future__ import annotations

import doctest
import math
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from commands._ranking import origin, regions, scores
from commands._ranking.regions import LEAST, Region, find_regions, odds_of
from commands._ranking.scores import confusions, score, surprise_of

GRASS, ROAD, CAR, TREE = range(4)
THINGS = {CAR, TREE}
Map = NDArray[np.uint8]


def plain(side: int = 48) -> Map:
    """Grass above, road below."""
    labels = np.full((side, side), GRASS, np.uint8)
    labels[side // 2 :] = ROAD
    return labels


def put(labels: Map, top: int, left: int, label: int, height: int = 10, width: int = 12) -> Map:
    """A copy with a rectangle on it."""
    changed = labels.copy()
    changed[top : top + height, left : left + width] = label
    return changed


def found(labels: Map, predicted: Map) -> list[Region]:
    """The regions where the network is sure of itself."""
    odds = np.where(labels != predicted, np.float32(2), np.float32(0))
    return find_regions(labels, np.where(labels == 255, np.uint8(255), predicted), odds, THINGS)


def box(region: Region) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    rows, columns = region.box
    return rows.start, columns.start, rows.stop, columns.stop


def test_a_label_and_a_prediction_that_agree_have_no_region() -> None:
    labels = put(plain(), 8, 8, CAR)
    assert found(labels, labels) == []
    assert found(np.full((8, 8), 255, np.uint8), np.full((8, 8), CAR, np.uint8)) == []


def test_a_labelled_object_of_another_class_is_one_region() -> None:
    [region] = found(put(plain(), 8, 8, TREE), put(plain(), 8, 8, CAR))
    assert (region.kind, region.pair, region.area) == ("wrong class", (TREE, CAR), 120)
    assert box(region) == (8, 8, 18, 20) and region.inside.all()
    assert region.odds == {(TREE, CAR): 240.0}


def test_a_labelled_object_that_is_predicted_as_two_classes_is_still_one_region() -> None:
    predicted = put(put(plain(), 8, 8, CAR), 8, 14, ROAD, 10, 6)
    [region] = found(put(plain(), 8, 8, TREE), predicted)
    assert (region.kind, region.area, set(region.odds)) == ("wrong class", 120, {(TREE, CAR), (TREE, ROAD)})


def test_a_predicted_object_on_the_background_is_missing_also_across_two_labels() -> None:
    [region] = found(plain(), put(plain(), 18, 8, CAR, 14, 12))  # 6 rows on grass, 8 on the road
    assert (region.kind, region.pair) == ("missing object", (ROAD, CAR))
    assert region.area == 12 * 14 and set(region.odds) == {(GRASS, CAR), (ROAD, CAR)}


def test_what_is_predicted_on_the_background_and_no_object_is_other() -> None:
    [region] = found(plain(), put(plain(), 4, 8, ROAD))
    assert (region.kind, region.pair) == ("other", (GRASS, ROAD))


@pytest.mark.parametrize(("down", "right"), [(0, 4), (6, 0), (-5, 3), (4, 14)])
def test_a_shifted_mask_is_one_region_of_two_crescents(down: int, right: int) -> None:
    """The last is shifted by more than its own width: nothing overlaps."""
    labels, predicted = put(plain(), 10, 10, CAR), put(plain(), 10 + down, 10 + right, CAR)
    [region] = found(labels, predicted)
    assert region.kind == "shifted mask"
    rows, columns = region.box
    whole = np.zeros(labels.shape, np.bool_)
    whole[rows, columns] = region.inside
    assert (whole == (labels != predicted)).all()


def test_two_neighbours_are_not_a_shifted_mask() -> None:
    """Each is where it should be, up to a pixel that the network is wrong about."""
    both = put(put(plain(), 8, 6, CAR), 8, 20, CAR)
    predicted = put(put(plain(), 9, 6, CAR), 8, 21, CAR)
    assert found(both, predicted) == []


def test_slivers_along_edges_do_not_count_and_thicker_ones_do() -> None:
    labels = plain()
    for thick in (1, 2):
        assert found(labels, put(labels, 24 - thick, 0, ROAD, thick, 48)) == []
    [region] = found(labels, put(labels, 20, 0, ROAD, 4, 48))
    assert region.kind == "other"
    assert region.area == 4 * 48, "all within 2 pixels of what is more than 2 pixels away from the edge"


def test_of_a_region_a_sliver_that_runs_on_along_the_edge_is_left_out() -> None:
    labels = plain()
    predicted = put(put(labels, 23, 0, ROAD, 1, 48), 16, 10, ROAD, 8, 8)
    [region] = found(labels, predicted)
    assert box(region) == (16, 8, 24, 20)  # the core of 8 columns, and 2 pixels of the sliver on either side
    assert region.area == 8 * 8 + 4


def test_pixels_that_are_not_labelled_are_in_no_region() -> None:
    labels = put(plain(), 8, 8, TREE)
    labels[:, 14:] = 255
    [region] = found(labels, put(plain(), 8, 8, CAR))
    assert (region.area, region.pair) == (60, (TREE, CAR))


def test_odds_are_those_of_the_probabilities() -> None:
    probabilities = np.array([[[0.7, 0.1, 0.2]], [[0.2, 0.9, 0.3]], [[0.1, 0.0, 0.5]]], np.float32)
    predicted, odds = odds_of(probabilities, np.array([[0, 2, 255]], np.uint8))
    assert predicted.tolist() == [[0, 1, 255]]
    assert odds[0] == pytest.approx([0, math.log((0.9 + LEAST) / LEAST), 0], rel=1e-4)


def test_a_score_is_the_mean_evidence_times_the_fourth_root_of_the_area() -> None:
    surprise = np.array([[0.1, 3.0], [0.5, 0.1]])
    inside = np.ones((4, 4), np.bool_)
    region = Region("other", (slice(0, 4), slice(0, 4)), inside, {(0, 1): 32.0})
    assert score(region, surprise) == pytest.approx(2 * 3.0 * 2)  # odds of 2 in each of 16 pixels
    assert score(Region("other", region.box, inside, {(1, 0): 32.0}), surprise) == pytest.approx(2 * 0.5 * 2)


def test_the_usual_confusion_surprises_least() -> None:
    labels = np.array([[0, 0, 0, 0, 1, 1, 255]], np.uint8)
    counts = confusions(labels, np.array([[0, 0, 1, 1, 1, 2, 255]], np.uint8), 3)
    assert counts.tolist() == [[2, 2, 0], [0, 1, 1], [0, 0, 0]]
    surprise = surprise_of(counts)
    assert surprise[0] == pytest.approx([-math.log(3 / 7), -math.log(3 / 7), -math.log(1 / 7)])
    assert surprise[2] == pytest.approx([math.log(3)] * 3)


@pytest.mark.parametrize("module", [origin, regions, scores])
def test_the_examples_in_docstrings_are_correct(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
