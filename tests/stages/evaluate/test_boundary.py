"""Boundary scores against SciPy's Euclidean distances and its erosion, and against shapes drawn by hand."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from stages.evaluate.boundary import COUNTED, compute, count, empty, update

Labels = NDArray[np.uint8]
NAMES = ["ground", "car", "tree", "never"]
GREY = 255


def score(truth: Labels, prediction: Labels, *tolerances: int) -> dict[str, Any]:
    """The scores of one image."""
    return compute(count(truth, prediction, 4, tolerances), tolerances, NAMES)


def square(left: int, shape: tuple[int, int] = (8, 10)) -> Labels:
    """A car of 4x4 pixels on ground, its ring of 12 boundary pixels in the rows 2 to 5."""
    mask = np.zeros(shape, np.uint8)
    mask[2:6, left : left + 4] = 1
    return mask


def test_a_square_beside_its_place() -> None:
    found = score(square(2), square(4), 1, 2)
    # Two to the right: of its ring the columns 6 (beside 5) and less are within 1, that is 3 of 4 in the rows 2 and 5,
    # and the left one of the rows 3 and 4. The rings share 2 pixels in each of the rows 2 and 5.
    car = found["1"]["classes"]["car"]
    assert car["precision"] == car["recall"] == car["f1"] == pytest.approx(8 / 12)
    assert car["iou"] == 4 / (12 + 12 - 4)
    # All within 2; there the bands are the whole squares, of which 2 of 4 columns are shared.
    car = found["2"]["classes"]["car"]
    assert (car["precision"], car["recall"], car["f1"], car["iou"]) == (1, 1, 1, 8 / 24)
    assert found["1"]["classes"]["tree"] == dict.fromkeys(("precision", "recall", "f1", "iou"))
    assert found["1"]["f1"] == np.mean([found["1"]["classes"][name]["f1"] for name in ("car", "ground")])


def test_a_diagonal_neighbour_is_further_than_one() -> None:
    truth, prediction = np.zeros((2, 7, 7), np.uint8)
    truth[2, 2] = prediction[3, 3] = 1
    found = score(truth, prediction, 1, 2)
    assert [found[t]["classes"]["car"]["f1"] for t in ("1", "2")] == [0, 1]


def test_f1_is_the_harmonic_mean() -> None:
    truth, prediction = np.zeros((2, 3, 9), np.uint8)
    truth[1, [1, 7]] = prediction[1, 1] = 1  # one of two small cars
    car = score(truth, prediction, 1)["1"]["classes"]["car"]
    assert car == {"precision": 1, "recall": 1 / 2, "f1": pytest.approx(2 / 3), "iou": 1 / 2}


def test_no_class_ends_at_the_edge_or_where_the_truth_is_ignored() -> None:
    everywhere = np.ones((6, 6), np.uint8)
    nothing = dict.fromkeys(("precision", "recall", "f1", "iou"))
    found = score(everywhere, everywhere, 1)["1"]
    assert found["classes"]["car"] == nothing | {"iou": 1}  # but its band runs along the edge, and is the same
    assert found["classes"]["ground"] == nothing
    # A car behind an ignored frame of a pixel: nothing is told of its sides, nor of a prediction that ends in there.
    truth = np.where(cv2.dilate(square(3), np.ones((3, 3), np.uint8)) > square(3), GREY, square(3)).astype(np.uint8)
    larger = np.zeros_like(truth)
    larger[1:6, 3:7] = 1
    told = score(truth, larger, 1)["1"]["classes"]
    assert told["car"] == nothing and told["ground"] == nothing | {"iou": 1}
    # One that goes through the frame and ends outside it has its boundary there, on four pixels, and it is wrong.
    larger[2:6, 7:9] = 1
    assert count(truth, larger, 4, [1])[0, COUNTED.index("predicted"), 1] == 4
    assert score(truth, larger, 1)["1"]["classes"]["car"] == {"precision": 0, "recall": None, "f1": 0, "iou": 0}


def test_there_and_not_predicted_is_0() -> None:
    found = score(square(2), np.zeros((8, 10), np.uint8), 1)["1"]["classes"]
    assert found["car"] == {"precision": 0, "recall": 0, "f1": 0, "iou": 0}


def test_a_split_adds_up_pixels_and_takes_no_mean_of_images() -> None:
    one, other = count(square(2), square(2), 4, [1]), count(square(2), square(4), 4, [1])
    total = update(update(empty(4, [1]), one), other)
    assert compute(total, [1], NAMES)["1"]["classes"]["car"]["f1"] == pytest.approx((12 + 8) / 24)
    assert compute(total, [1], NAMES)["1"]["classes"]["car"]["iou"] == (12 + 4) / (12 + 20)


# --- SciPy -----------------------------------------------------------------------------------------------------------


def blobs(draw: np.random.Generator, shape: tuple[int, int]) -> Labels:
    """Ragged regions of three classes."""
    noise = [cv2.GaussianBlur(draw.random(shape), (0, 0), 1.5) for _ in range(3)]
    return np.asarray(np.argmax(noise, axis=0), np.uint8)


def expected(truth: Labels, prediction: Labels, tolerance: int) -> list[list[int]]:
    """The counts: by distances to the nearest known pixel of another class and to the nearest boundary; by erosion."""
    known = truth != GREY
    found = []
    for label in range(4):
        bands, edges = [], []
        for labels in (prediction, truth):
            inside = known & (labels == label)
            other = known & (labels != label)
            apart = distance_transform_edt(~other) if other.any() else np.full(truth.shape, np.inf)
            # As in the code of Cheng et al.: eroded by 3x3, again and again, in an image framed by zeros.
            bands.append(inside & ~binary_erosion(inside | ~known, np.ones((3, 3)), iterations=tolerance))
            edges.append(inside & (apart <= 1))
        near = [
            edge & (distance_transform_edt(~goal) <= tolerance) if goal.any() else np.zeros_like(edge)
            for edge, goal in (edges, edges[::-1])
        ]
        parts = [edges[0], near[0], edges[1], near[1], bands[0], bands[1], bands[0] & bands[1]]
        found.append([int(part.sum()) for part in parts])
    return [list(row) for row in zip(*found, strict=True)]


@pytest.mark.parametrize("shape", [(31, 22), (7, 40), (1, 9)])
def test_equals_distances(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(shape)
    for ignored in (0.0, 0.02, 0.3, 1.0):
        truth, prediction = blobs(draw, shape), blobs(draw, shape)
        prediction = np.where(draw.random(shape) < 0.7, truth, prediction).astype(np.uint8)
        truth[draw.random(shape) < ignored] = GREY
        tolerances = [1, 2, 3, 5]
        found = count(truth, prediction, 4, tolerances)
        assert [found[at].tolist() for at in range(4)] == [expected(truth, prediction, t) for t in tolerances]


@pytest.mark.parametrize("pixels", [1, 40, 200])
def test_strips_count_what_the_whole_counts(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boundaries, and what is near them, across the borders of strips of one row, of two and of ten."""
    draw = np.random.default_rng(3)
    truth = np.kron(draw.integers(0, 4, (9, 5)), np.ones((3, 4))).astype(np.uint8)
    truth[draw.random(truth.shape) < 0.1] = GREY
    prediction = np.where(draw.random(truth.shape) < 0.7, truth, draw.integers(0, 4, truth.shape)).astype(np.uint8)
    prediction[prediction == GREY] = 0
    whole = count(truth, prediction, 4, (1, 3))
    monkeypatch.setattr("stages.evaluate.boundary.AT_ONCE", pixels)
    assert (count(truth, prediction, 4, (1, 3)) == whole).all() and (whole > 0).sum() > 40
