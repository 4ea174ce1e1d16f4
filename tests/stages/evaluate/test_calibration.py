"""Calibration and uncertainty against plain loops over pixels and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from pixelproof.core.errors import DataError
from stages.evaluate.calibration import STEPS, compute, count, empty, reliability, risk_coverage, update, validate

Labels = NDArray[np.uint8]
Certainty = NDArray[np.float32]


def overconfident(seed: int, size: int = 40) -> tuple[Labels, Labels, Certainty]:
    """A network of which more is wrong than it thinks; a tenth is ignored. Certainties are whole steps."""
    draw = np.random.default_rng(seed)
    certainty = np.rint(draw.beta(5, 2, (size, size)) * STEPS) / STEPS
    truth = draw.integers(0, 3, certainty.shape).astype(np.uint8)
    wrong = draw.random(certainty.shape) > certainty**2
    prediction = np.where(wrong, (truth + 1) % 3, truth).astype(np.uint8)
    truth[draw.random(truth.shape) < 0.1] = 255
    return truth, prediction, certainty.astype(np.float32)


def test_equals_loops_and_scikit_learn() -> None:
    images = [overconfident(seed) for seed in range(3)]
    total = empty()
    for truth, prediction, certainty in images:
        validate("an image", truth, certainty)
        total = update(total, count(truth, prediction, certainty))
    pixels = [
        (round(float(c) * STEPS) / STEPS, t == p)
        for image in images
        for t, p, c in zip(*(part.ravel() for part in image), strict=True)
        if t != 255
    ]
    found = compute(total, 15)

    # ECE as Guo et al. write it, in the bins (0, 1/15], (1/15, 2/15], ...
    ece, rows = 0.0, []
    for at in range(15):
        inside = [(c, r) for c, r in pixels if at / 15 < c <= (at + 1) / 15]
        rows.append(len(inside))
        if inside:
            ece += abs(sum(r for _, r in inside) - sum(c for c, _ in inside)) / len(pixels)
    assert found["ece"] == pytest.approx(ece, abs=1e-12)
    assert [b["pixels"] for b in reliability(total, 15)] == rows
    assert found["ece"] > 0.1  # else this test would say little

    # AURC: those of one certainty come in together.
    wrong = taken = 0
    area = 0.0
    for c in sorted({c for c, _ in pixels}, reverse=True):
        those = [r for other, r in pixels if other == c]
        taken, wrong = taken + len(those), wrong + those.count(False)
        area += len(those) * wrong / taken
    assert found["aurc"] == pytest.approx(area / len(pixels), abs=1e-12)

    for key, kinds in (("certainty", (True, False)), ("certainty_right", (True,)), ("certainty_wrong", (False,))):
        assert found[key] == pytest.approx(np.mean([c for c, right in pixels if right in kinds]), abs=1e-12)

    # scikit-learn's bins hold their lower border where ours hold the upper one: 16 bins, so that no step is a border.
    accuracy, mean = calibration_curve([r for _, r in pixels], [c for c, _ in pixels], n_bins=16)
    filled = [b for b in reliability(total, 16) if b["pixels"]]
    assert [b["accuracy"] for b in filled] == pytest.approx(accuracy)
    assert [b["certainty"] for b in filled] == pytest.approx(mean)


def test_worked_by_hand() -> None:
    truth = np.array([[0, 0, 0, 0, 255]], np.uint8)
    prediction = np.array([[0, 1, 0, 1, 1]], np.uint8)
    certainty = np.array([[1.0, 0.8, 0.6, 0.4, 0.9]], np.float32)
    total = count(truth, prediction, certainty)
    found = compute(total, 1)
    assert found["ece"] == pytest.approx(0.7 - 0.5)  # one bin: the mean certainty and the accuracy
    assert (found["certainty_right"], found["certainty_wrong"]) == (pytest.approx(0.8), pytest.approx(0.6))
    assert found["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    curve = {round(point["coverage"], 2): point["risk"] for point in risk_coverage(total)}
    assert (curve[0.25], curve[0.5], curve[0.75], curve[1.0]) == (0, 1 / 2, pytest.approx(1 / 3), 1 / 2)
    # Each pixel in its own bin: wrong by 0, 0.8, 0.4 and 0.4. A border belongs to the bin below it.
    assert compute(total, 5)["ece"] == pytest.approx((0 + 0.8 + 0.4 + 0.4) / 4)
    assert [b["pixels"] for b in reliability(total, 5)] == [0, 1, 1, 1, 1]
    assert [b["certainty"] for b in reliability(total, 5)][:2] == [None, pytest.approx(0.4)]


def test_rounding_to_steps_moves_no_mean_by_more_than_half_a_step() -> None:
    draw = np.random.default_rng(0)
    certainty = draw.random((50, 50)).astype(np.float32)
    zeros = np.zeros(certainty.shape, np.uint8)
    assert compute(count(zeros, zeros, certainty), 15)["certainty"] == pytest.approx(certainty.mean(), abs=0.5 / STEPS)
    above = np.full((1, 3), 1.000001, np.float32)  # a softmax may round to that
    validate("an image", zeros[:1, :3], above)
    assert compute(count(zeros[:1, :3], zeros[:1, :3], above), 15)["certainty"] == 1


def test_nothing_to_tell_by_is_null() -> None:
    truth = np.full((2, 2), 255, np.uint8)
    total = count(truth, np.zeros_like(truth), np.ones((2, 2), np.float32))
    assert not total.any()
    assert set(compute(total, 15).values()) == {None}
    assert {point["risk"] for point in risk_coverage(total)} == {None}


@pytest.mark.parametrize(
    ("certainty", "said"),
    [
        (np.full((2, 2), np.nan), "certainties from 0 to 1, found nan to nan"),
        (np.array([[0.5, 1.5], [0, 0]]), "certainties from 0 to 1, found 0.0 to 1.5"),
        (np.zeros((2, 3)), r"certainties of (2, 2), found (2, 3)"),
    ],
)
def test_what_is_no_certainty_is_named(certainty: NDArray[np.float64], said: str) -> None:
    with pytest.raises(DataError) as error:
        validate("test/img-7", np.zeros((2, 2), np.uint8), certainty.astype(np.float32))
    assert str(error.value).startswith("test/img-7: ") and said in str(error.value)
