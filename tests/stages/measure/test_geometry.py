"""Sizes, direction and texture of shapes whose numbers are known: drawn by formula, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.measure.geometry import CO_OCCURRENCE, PATTERNS, Numbers, local_patterns, measure_objects, turned, wrapped
from tests.stages.measure.shapes import Mask, disc, rectangle, turned_rectangle

COLOUR = (10, 120, 250)


def measured(
    mask: Mask, grey: NDArray[np.uint8] | None = None, scale: float | None = None, levels: int = 16
) -> Numbers:
    """The measures of the one object of a mask, of one colour on noise."""
    image = np.random.default_rng(1).integers(0, 256, (*mask.shape, 3)).astype(np.uint8)
    image[mask] = COLOUR if grey is None else np.repeat(grey[mask][:, None], 3, axis=1)
    (found,) = measure_objects(mask.astype(np.int64), image, scale, levels)
    return found


def crofton(mask: Mask) -> float:
    """Crofton's formula by its definition: how many runs of pixels lines in four directions cross, by their spacing."""
    across = math.sqrt(0.5)
    lines = {1.0: [*mask, *mask.T]}
    diagonals = range(-mask.shape[0] + 1, mask.shape[1])
    lines[across] = [side.diagonal(offset) for side in (mask, mask[:, ::-1]) for offset in diagonals]
    runs = {
        space: sum(np.count_nonzero(np.diff(line, prepend=False) & line) for line in of) for space, of in lines.items()
    }
    return math.pi / 4 * sum(space * count for space, count in runs.items())


def test_an_upright_rectangle() -> None:
    found = measured(rectangle((20, 30), top=3, left=5, height=4, width=10), scale=0.5)
    expected = {
        "left": 5, "top": 3, "border": False, "area": 40, "height": 4, "width": 10, "oriented_height": 10,
        "oriented_width": 4, "orientation": 0, "area_m2": 10, "height_m": 2, "width_m": 5, "oriented_height_m": 5,
        "oriented_width_m": 2, "red": 10, "green": 120, "blue": 250,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["perimeter"] == pytest.approx(math.pi / 4 * (4 + 10 + math.sqrt(2) * (4 + 10 - 1)))
    assert found["perimeter_m"] == pytest.approx(25.4350 / 2, abs=1e-4)


def test_without_a_scale_nothing_is_in_metres() -> None:
    found = measured(rectangle((9, 9), 2, 2, 3, 3))
    assert [found[name] for name in ("area_m2", "height_m", "perimeter_m")] == [None] * 3


@pytest.mark.parametrize("degrees", [0, 30, 45, 75, 90, 120, 165])
def test_a_turned_rectangle(degrees: float) -> None:
    mask = turned_rectangle((64, 64), length=40, width=16, degrees=degrees)
    found = measured(mask)
    assert found["area"] == pytest.approx(640, rel=0.03)
    assert found["orientation"] is not None
    assert abs(turned(found["orientation"] - degrees)) < 0.5
    assert (found["oriented_height"], found["oriented_width"]) == pytest.approx((40, 16), abs=1.5)
    assert found["perimeter"] == pytest.approx(112, rel=0.07)
    assert found["perimeter"] == pytest.approx(crofton(mask))


def test_a_disk() -> None:
    found = measured(disc((50, 50), 24, 24, 20))
    assert found["area"] == pytest.approx(math.pi * 400, rel=0.01)
    assert found["perimeter"] == pytest.approx(2 * math.pi * 20, rel=0.02)
    assert (found["height"], found["width"]) == (41, 41)
    assert found["orientation"] is None  # no axis is longer


def test_what_reaches_the_edge_is_marked() -> None:
    for top, left in ((0, 3), (3, 0), (6, 3), (3, 6)):
        assert measured(rectangle((9, 9), top, left, 3, 3))["border"] is True
    assert measured(rectangle((9, 9), 1, 1, 7, 7))["border"] is False


def test_directions_have_no_sense() -> None:
    assert [wrapped(angle) for angle in (0, 180, 190, -10, 179.99999999)] == [0, 0, 10, 170, 0]
    assert [turned(angle) for angle in (0, 170, -170, 90, -90, 20)] == [0, -10, 10, 90, 90, 20]


def test_co_occurrence_worked_by_hand() -> None:
    """Columns of 0 and of 255, 2x2, two levels: of the six pairs of neighbours two are equal and four are not."""
    mask = rectangle((6, 6), 2, 2, 2, 2)
    grey = np.zeros((6, 6), np.uint8)
    grey[:, 3] = 255
    found = measured(mask, grey, levels=2)
    # P(0,0) = P(1,1) = 1/6, P(0,1) = P(1,0) = 1/3; mean 1/2, variance 1/4, covariance (1/3 - 2/3) / 4
    expected = {"contrast": 2 / 3, "homogeneity": 2 / 3, "energy": math.sqrt(2 / 36 + 2 / 9), "correlation": -1 / 3}
    assert {name: found[name] for name in CO_OCCURRENCE} == pytest.approx(expected)
    # Without its upper right pixel, of three pairs one is equal (0, 0): P(0,0) = P(0,1) = P(1,0) = 1/3; mean 1/3,
    # variance 2/9, covariance 0 - 1/9. The pixel that is left out lies in the object's box.
    mask[2, 3] = False
    found = measured(mask, grey, levels=2)
    expected = {"contrast": 2 / 3, "homogeneity": 2 / 3, "energy": math.sqrt(1 / 3), "correlation": -1 / 2}
    assert {name: found[name] for name in CO_OCCURRENCE} == pytest.approx(expected)


def test_texture_of_one_grey_and_of_too_few_pixels() -> None:
    plain = np.full((9, 9), 77, np.uint8)
    flat = measured(rectangle((9, 9), 2, 2, 5, 5), plain)
    assert [flat[name] for name in CO_OCCURRENCE] == pytest.approx([0, 1, 1, None])
    # Every neighbour is as bright as the middle: eight ones, the uniform pattern of that name.
    assert [flat[name] for name in PATTERNS] == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    pixel = measured(rectangle((9, 9), 4, 4, 1, 1), plain)
    assert [pixel[name] for name in (*CO_OCCURRENCE, *PATTERNS)] == [None] * 14


def test_texture_is_of_the_objects_own_pixels() -> None:
    draw = np.random.default_rng(3)
    mask = disc((24, 24), 11, 12, 8)
    own, around = (draw.integers(0, 256, (24, 24)).astype(np.uint8) for _ in range(2))
    names = (*CO_OCCURRENCE, *PATTERNS)
    images = [np.repeat(np.where(mask, own, other)[..., None], 3, axis=2) for other in (around, 255 - around)]
    first, second = ([measure_objects(mask.astype(np.int64), image, None, 16)[0][n] for n in names] for image in images)
    assert first == second
    assert sum(value or 0 for value in first[-len(PATTERNS) :]) == pytest.approx(1)
    assert all(value is not None for value in first)


def test_patterns_in_strips_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (40, 31)).astype(np.uint8)
    whole = local_patterns(grey)
    monkeypatch.setattr("stages.measure.geometry.AT_ONCE", 5 * 31)
    assert (local_patterns(grey) == whole).all() and len(np.unique(whole)) > 5
