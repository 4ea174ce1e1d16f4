"""Checks every shape of an export before Datumaro sees it, and converts those that Datumaro would drop.

Datumaro silently drops ellipses, and accepts coordinates that are not numbers, run lengths that are too short and
unknown labels. Here an ellipse becomes a mask, and the others are errors that name the image and the shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from xml.etree.ElementTree import Element

import numpy as np

from pixelproof.core.errors import DataError, nearest
from pixelproof.data.images import Array

AREAS = ("polygon", "box", "ellipse", "mask")
WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")
REDRAW = "fix the shape in CVAT and export again"


def check_label(where: str, shape: Element, labels: Collection[str]) -> str:
    """The shape's label, which params.yaml must list."""
    label = shape.get("label", "")
    if label not in labels:
        raise DataError(
            where, f"a label of cvat.classes ({', '.join(labels)})", repr(label),
            f"add it to cvat.classes in params.yaml{nearest(label, labels)}",
        )  # fmt: skip
    return label


def checked(where: str, shape: Element, width: int, height: int) -> Element:
    """The shape as Datumaro will read it: only the attributes it needs, every value checked."""
    made = _BUILDERS[shape.tag](where, shape, width, height)
    for key in ("z_order", "group_id"):
        made.set(key, str(_integer(where, shape, key, default=0)))
    made.set("label", shape.get("label", ""))
    return made


def _polygon(where: str, shape: Element, width: int, height: int) -> Element:
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise DataError(where, "three or more points `x,y;x,y;...`", repr(shape.get("points", ""))[:60], REDRAW)
    for x, y in pairs:
        _coordinate(where, "points", x, width)
        _coordinate(where, "points", y, height)
    return Element("polygon", points=";".join(",".join(pair) for pair in pairs))


def _box(where: str, shape: Element, width: int, height: int) -> Element:
    left, right = (_coordinate(where, key, shape.get(key), width) for key in ("xtl", "xbr"))
    top, bottom = (_coordinate(where, key, shape.get(key), height) for key in ("ytl", "ybr"))
    if right < left or bottom < top:
        raise DataError(where, "xtl <= xbr and ytl <= ybr", f"{left},{top} and {right},{bottom}", REDRAW)
    box = Element("box", xtl=str(left), ytl=str(top), xbr=str(right), ybr=str(bottom))
    if turn := _number(where, "rotation", shape.get("rotation", "0")):
        box.set("rotation", str(turn))
    return box


def _ellipse(where: str, shape: Element, width: int, height: int) -> Element:
    """Rasterise to a run-length mask; CVAT rotates clockwise, in degrees."""
    cx, rx = (_coordinate(where, key, shape.get(key), width) for key in ("cx", "rx"))
    cy, ry = (_coordinate(where, key, shape.get(key), height) for key in ("cy", "ry"))
    turn = _number(where, "rotation", shape.get("rotation", "0"))
    if rx <= 0 or ry <= 0:
        raise DataError(where, "rx and ry above 0", f"{rx} and {ry}", REDRAW)
    area = ellipse_area(cx, cy, rx, ry, turn, width, height)
    return Element("mask", rle=run_lengths(area), left="0", top="0", width=str(width), height=str(height))


def _mask(where: str, shape: Element, width: int, height: int) -> Element:
    left, top = (_integer(where, shape, key) for key in ("left", "top"))
    wide, high = (_integer(where, shape, key) for key in ("width", "height"))
    if wide < 1 or high < 1 or left < 0 or top < 0 or left + wide > width or top + high > height:
        raise DataError(where, f"a mask inside {width}x{height}", f"{wide}x{high} at {left},{top}", REDRAW)
    text = shape.get("rle", "")
    runs = [run.strip() for run in text.split(",")]
    if not all(run.isascii() and run.isdigit() and len(run) < 10 for run in runs):
        raise DataError(where, "run lengths `n, n, ...`", repr(text)[:60], REDRAW)
    covered = sum(map(int, runs))
    if covered != wide * high:
        raise DataError(where, f"run lengths of {wide * high} pixels ({wide}x{high})", str(covered), REDRAW)
    return Element("mask", rle=",".join(runs), left=str(left), top=str(top), width=str(wide), height=str(high))


_BUILDERS: dict[str, Callable[[str, Element, int, int], Element]] = {
    "polygon": _polygon, "box": _box, "ellipse": _ellipse, "mask": _mask,
}  # fmt: skip


def ellipse_area(cx: float, cy: float, rx: float, ry: float, turn: float, width: int, height: int) -> Array:
    """The pixels whose centres are in an ellipse rotated clockwise by `turn` degrees."""
    x = np.arange(width)[None, :] + 0.5 - cx
    y = np.arange(height)[:, None] + 0.5 - cy
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    area: Array = ((x * cos + y * sin) / rx) ** 2 + ((y * cos - x * sin) / ry) ** 2 <= 1
    return area


def run_lengths(area: Array) -> str:
    """CVAT's run lengths: row by row, alternately outside and inside, starting outside."""
    flat = area.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
    return ",".join(map(str, np.diff(edges, prepend=0)))


def _number(where: str, key: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(where, f"a finite number as {key}", repr(text), REDRAW)
    return value


def _coordinate(where: str, key: str, text: str | None, side: int) -> float:
    """A finite number, outside the image by at most the image's side."""
    value = _number(where, key, text)
    if not -side <= value <= 2 * side:
        raise DataError(where, f"{key} within {-side} to {2 * side}", str(value), REDRAW)
    return value


def _integer(where: str, shape: Element, key: str, default: int | None = None) -> int:
    text = shape.get(key, default)
    try:
        return int(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DataError(where, f"a whole number as {key}", repr(text), REDRAW) from None
