"""Shapes in CVAT's XML: every value is checked, and an error names the image and the shape."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.coco import REDRAW, check_length
from pixelproof.data.outlines import Box, Ellipse, Outline, Polygon, Runs

WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")
POINTS = re.compile(r"[^,;]+,[^,;]+(?:;[^,;]+,[^,;]+){2,}")
RUN_LENGTHS = re.compile(r"\s*[0-9]{1,9}\s*(?:,\s*[0-9]{1,9}\s*)*")


def outline(where: str, shape: Element, width: int, height: int) -> Outline:
    """The outline of a polygon, box, ellipse or mask of CVAT's XML.

    Args:
        where: Names the shape in errors.
        shape: Its element; the tag is one of AREAS.
        width: Of the image, in pixels.
        height: Of the image, in pixels.

    Returns:
        The outline, in pixels.

    Raises:
        DataError: A value is missing, is not a number, or lies far outside the image.
    """
    return _READERS[shape.tag](where, shape, width, height)


def whole_number(where: str, shape: Element, key: str, default: int | None = None) -> int:
    """An attribute that must be a whole number.

    Args:
        where: Names the element in errors.
        shape: The element.
        key: The attribute.
        default: Its value where it is missing; without one it must be there.

    Returns:
        The number.

    Raises:
        DataError: It is something else.
    """
    text = shape.get(key, default)
    try:
        return int(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DataError(where, f"a whole number as {key}", repr(text)[:60], REDRAW) from None


def _polygon(where: str, shape: Element, width: int, height: int) -> Polygon:
    text = shape.get("points", "")
    if not POINTS.fullmatch(text):
        raise DataError(where, "three or more points `x,y;x,y;...`", repr(text)[:60], REDRAW)
    texts = text.replace(";", ",").split(",")
    try:
        points = np.fromiter(map(float, texts), np.float64, len(texts)).reshape(-1, 2)
    except ValueError:
        points = np.full((len(texts) // 2, 2), np.nan)
    sides = np.array([width, height])
    if not ((points >= -sides) & (points <= 2 * sides)).all():
        for at, number in enumerate(texts):
            _coordinate(where, "points", number, height if at % 2 else width)
    check_length(where, points)
    return Polygon((points,))


def _box(where: str, shape: Element, width: int, height: int) -> Box:
    left, right = (_coordinate(where, key, shape.get(key), width) for key in ("xtl", "xbr"))
    top, bottom = (_coordinate(where, key, shape.get(key), height) for key in ("ytl", "ybr"))
    if right < left or bottom < top:
        raise DataError(where, "xtl <= xbr and ytl <= ybr", f"{left},{top} and {right},{bottom}", REDRAW)
    return Box(left, top, right, bottom, _number(where, "rotation", shape.get("rotation", "0")))


def _ellipse(where: str, shape: Element, width: int, height: int) -> Ellipse:
    cx, rx = (_coordinate(where, key, shape.get(key), width) for key in ("cx", "rx"))
    cy, ry = (_coordinate(where, key, shape.get(key), height) for key in ("cy", "ry"))
    turn = _number(where, "rotation", shape.get("rotation", "0"))
    if rx <= 0 or ry <= 0:
        raise DataError(where, "rx and ry above 0", f"{rx} and {ry}", REDRAW)
    return Ellipse(cx, cy, rx, ry, turn)


def _mask(where: str, shape: Element, width: int, height: int) -> Runs:
    left, top = (whole_number(where, shape, key) for key in ("left", "top"))
    wide, high = (whole_number(where, shape, key) for key in ("width", "height"))
    if wide < 1 or high < 1 or left < 0 or top < 0 or left + wide > width or top + high > height:
        raise DataError(where, f"a mask inside {width}x{height}", f"{wide}x{high} at {left},{top}", REDRAW)
    text = shape.get("rle", "")
    if not RUN_LENGTHS.fullmatch(text):
        raise DataError(where, "run lengths `n, n, ...`", repr(text)[:60], REDRAW)
    lengths = np.array([int(run) for run in text.split(",")], np.int64)
    if (covered := int(lengths.sum())) != wide * high:
        raise DataError(where, f"run lengths of {wide * high} pixels ({wide}x{high})", str(covered), REDRAW)
    return Runs(left, top, wide, high, lengths)


_READERS: dict[str, Callable[[str, Element, int, int], Outline]] = {
    "polygon": _polygon, "box": _box, "ellipse": _ellipse, "mask": _mask,
}  # fmt: skip
AREAS = tuple(_READERS)


def _number(where: str, key: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(where, f"a finite number as {key}", repr(text)[:60], REDRAW)
    return value


def _coordinate(where: str, key: str, text: str | None, side: int) -> float:
    """A finite number, outside the image by at most the image's side."""
    value = _number(where, key, text)
    if not -side <= value <= 2 * side:
        raise DataError(where, f"{key} within {-side} to {2 * side}", str(value), REDRAW)
    return value
