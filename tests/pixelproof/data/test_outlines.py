"""Outlines against independent references: COCO's tools, and masks made pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from pixelproof.data.images import Array
from pixelproof.data.outlines import Box, Ellipse, Outline, Polygon, Runs, area, corners, run_lengths

side = st.integers(1, 40)
number = st.floats(-45, 85).map(lambda value: round(value, 2)) | st.integers(-400, 800).map(lambda value: value / 10)


def whole(outline: Outline, width: int, height: int) -> Array:
    """The outline's pixels in the whole image."""
    window, inside = area(outline, width, height)
    pixels = np.zeros((height, width), bool)
    pixels[window] = inside
    return pixels


def by_coco(ring: Array, width: int, height: int) -> Array:
    drawn: Array = coco.decode(coco.merge(coco.frPyObjects([ring.ravel().tolist()], height, width)))
    return drawn.astype(bool)


@settings(max_examples=400)
@given(st.lists(st.tuples(number, number), min_size=3, max_size=9), side, side)
def test_rings_are_cocos_to_the_pixel(points: list[tuple[float, float]], width: int, height: int) -> None:
    """Any ring: corners outside, edges that cross, points on a line or on each other."""
    ring = np.array(points, np.float64)
    assert (whole(Polygon((ring,)), width, height) == by_coco(ring, width, height)).all()


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.5])
def test_rings_of_many_points_too(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelproof.data.outlines.CROSSINGS", 1000)  # many parts
    turn = np.linspace(0, 2 * math.pi, 5000, endpoint=False)
    reach = 120 * (1 + noise * np.random.default_rng(0).standard_normal(5000))
    ring = np.stack([150 + reach * np.cos(turn), 90 + reach * np.sin(turn)], axis=1)
    assert (whole(Polygon((ring,)), 300, 200) == by_coco(ring, 300, 200)).all()


def test_a_polygon_is_the_union_of_its_rings() -> None:
    rings = (np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]]), np.array([[2.0, 2], [6, 2], [6, 3], [2, 3]]))
    expected = np.zeros((6, 8), bool)
    expected[:4, :4] = expected[2:3, 2:6] = True
    assert (whole(Polygon(rings), 8, 6) == expected).all()


@given(st.tuples(number, number, number, number), side, side)
def test_boxes_hold_the_pixels_whose_centres_they_hold(at: tuple[float, ...], width: int, height: int) -> None:
    left, right = sorted(at[:2])
    top, bottom = sorted(at[2:])
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    # COCO's rule rounds to fifths of a pixel: a centre less than a tenth of one beside an edge may go either way.
    near = np.zeros((height, width), bool)
    for value in (left, right):
        near |= abs(x - value) <= 0.11
    for value in (top, bottom):
        near |= abs(y - value) <= 0.11
    assert (whole(Box(left, top, right, bottom), width, height) == inside)[~near].all()


def test_a_turned_box_is_turned_clockwise_about_its_centre() -> None:
    assert corners(Box(0, 0, 4, 2, 90)) == pytest.approx(np.array([[3, -1], [3, 3], [1, 3], [1, -1]]))


@given(number, number, st.floats(0.3, 30), st.floats(0.3, 30), st.floats(-360, 360), side, side)
def test_ellipses_in_their_window_are_those_of_the_whole_image(
    cx: float, cy: float, rx: float, ry: float, turn: float, width: int, height: int
) -> None:
    expected = np.zeros((height, width), bool)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5 - cx, row + 0.5 - cy
            expected[row, column] = ((x * cos + y * sin) / rx) ** 2 + ((y * cos - x * sin) / ry) ** 2 <= 1
    assert (whole(Ellipse(cx, cy, rx, ry, turn), width, height) == expected).all()


def test_runs_by_row_and_by_column() -> None:
    lengths = np.array([1, 3, 2])
    by_row, by_column = (whole(Runs(1, 1, 3, 2, lengths, way), 5, 4) for way in (False, True))
    assert by_row[1:3, 1:4].tolist() == [[False, True, True], [True, False, False]] and by_row.sum() == 3
    assert by_column[1:3, 1:4].tolist() == [[False, True, False], [True, True, False]] and by_column.sum() == 3


@given(st.integers(0, 2**12 - 1))
def test_runs_say_what_they_came_from(bits: int) -> None:
    pixels = np.array([bits >> at & 1 for at in range(12)], bool).reshape(3, 4)
    lengths = np.array([int(run) for run in run_lengths(pixels).split(",")])
    assert (whole(Runs(0, 0, 4, 3, lengths), 4, 3) == pixels).all()


@pytest.mark.parametrize(
    "outline",
    [
        Polygon((np.array([[-9.0, -9], [-5, -9], [-5, -5]]),)),
        Polygon((np.array([[50.0, 50], [60, 50], [60, 60]]),)),
        Polygon((np.array([[3.0, 3], [3, 3], [3, 3]]),)),
        Box(2, 2, 2, 5),
        Ellipse(-20, 4, 3, 3),
        Ellipse(90, 4, 3, 3),
        Ellipse(5, 4, 1e-300, 1e-300),
        Ellipse(5, 4, 5e-324, 3),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_lies_outside_or_has_no_area_has_no_pixel(outline: Outline) -> None:
    assert not whole(outline, 10, 8).any()
