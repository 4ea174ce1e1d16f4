"""The pixels of an outline: those whose centres it holds, as in CVAT's own mask exports. Each in its own window.

Outlines that share an edge share no pixel. Polygons follow the rule of COCO's tools, to the pixel: corners are rounded
to fifths of a pixel, edges run on that grid, and in each column of pixel centres every edge that is crossed is a change
from outside to inside or back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.images import Array

GRID = 5  # steps of the grid in a pixel; the line through a column of pixel centres lies between steps 2 and 3
CROSSINGS = 1 << 22  # at a time: bounds the memory that a polygon of many long edges needs
Window = tuple[slice, slice]
Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Polygon:
    """Rings of points [n, 2] in pixels; the area is the union of the rings."""

    rings: tuple[Floats, ...]


@dataclass(frozen=True)
class Box:
    """A rectangle, turned clockwise about its centre by `turn` degrees."""

    left: float
    top: float
    right: float
    bottom: float
    turn: float = 0.0


@dataclass(frozen=True)
class Ellipse:
    """Centre and radii, turned clockwise by `turn` degrees."""

    cx: float
    cy: float
    rx: float
    ry: float
    turn: float = 0.0


@dataclass(frozen=True)
class Runs:
    """Run lengths, outside first, in a window of the image: row by row (CVAT), or column by column (COCO)."""

    left: int
    top: int
    width: int
    height: int
    lengths: NDArray[np.int64]
    by_column: bool = False


Outline = Polygon | Box | Ellipse | Runs


def area(outline: Outline, width: int, height: int) -> tuple[Window, Array]:
    """The pixels of an outline in an image: a window of it, and which of the window's pixels are inside.

    Args:
        outline: In pixels of the image; it may lie partly or wholly outside.
        width: Of the image.
        height: Of the image.

    Returns:
        The window's rows and columns, and a boolean array of its size.
    """
    if isinstance(outline, Runs):
        return _of_runs(outline)
    if isinstance(outline, Ellipse):
        return _of_ellipse(outline, width, height)
    rings = (corners(outline),) if isinstance(outline, Box) else outline.rings
    low = np.min([ring.min(axis=0) for ring in rings], axis=0)
    high = np.max([ring.max(axis=0) for ring in rings], axis=0)
    window = _window(low[0], low[1], high[0], high[1], width, height)
    rows, columns = window
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    if inside.size:
        for ring in rings:
            inside |= ring_area(ring, window)
    return window, inside


def corners(box: Box) -> Floats:
    """The corners of a box, clockwise."""
    cx, cy = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    if not box.turn:
        return np.array([[box.left, box.top], [box.right, box.top], [box.right, box.bottom], [box.left, box.bottom]])
    cos, sin = math.cos(math.radians(box.turn)), math.sin(math.radians(box.turn))
    x = np.array([-1.0, 1.0, 1.0, -1.0]) * (box.right - box.left) / 2
    y = np.array([-1.0, -1.0, 1.0, 1.0]) * (box.bottom - box.top) / 2
    turned: Floats = np.stack([cos * x - sin * y + cx, sin * x + cos * y + cy], axis=1)
    return turned


def ring_area(ring: Floats, window: Window) -> Array:
    """The pixels of a window inside a closed ring of points; what a ring that crosses itself holds twice is outside."""
    height, width = (part.stop - part.start for part in window)
    flips = np.zeros((height + 1) * width, np.uint8)
    for columns, rows in _crossings(ring, window):
        np.add.at(flips, rows * width + columns, np.uint8(1))
    odd: Array = (np.add.accumulate(flips.reshape(height + 1, width)[:-1], axis=0, dtype=np.uint8) & 1).astype(bool)
    return odd


def _crossings(ring: Floats, window: Window) -> Iterator[tuple[Whole, Whole]]:
    """Where the ring's edges cross the window's columns of pixel centres: the columns, and the first rows below.

    All is computed in the image and only then in the window, so that roundings do not depend on the window.
    """
    grid = np.trunc(GRID * ring + 0.5).astype(np.int64)
    edges = np.concatenate([grid, np.roll(grid, -1, axis=0)], axis=1)
    dx, dy = (np.abs(edges[:, axis] - edges[:, axis + 2]) for axis in (0, 1))
    left, right = np.minimum(edges[:, 0], edges[:, 2]), np.maximum(edges[:, 0], edges[:, 2])
    first = np.maximum((left + 2) // GRID, window[1].start)  # the first centre not left of the edge
    counts = np.maximum(np.minimum((right - 3) // GRID, window[1].stop - 1) - first + 1, 0)
    for steep in (False, True):
        chosen = np.flatnonzero(((dx < dy) == steep) & (counts > 0))
        totals = np.cumsum(counts[chosen])
        begin = 0
        while begin < len(chosen):
            done = totals[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(totals, done + CROSSINGS, side="right")))
            part, begin = chosen[begin:end], end
            each = counts[part]
            owner = np.repeat(np.arange(len(part)), each)
            columns = first[part][owner] + np.arange(len(owner)) - (np.cumsum(each) - each)[owner]
            y = (_steep if steep else _flat)(edges[part], owner, columns)
            rows = np.ceil(np.clip((y + 0.5) / GRID - 0.5, window[0].start, window[0].stop)).astype(np.int64)
            yield columns - window[1].start, rows - window[0].start


def _flat(edges: Whole, owner: Whole, columns: Whole) -> Whole:
    """The height on the grid at which edges cross columns; edges wider than high, one point for each step of x."""
    back = edges[:, 0] > edges[:, 2]
    x0, y0, x1, y1 = np.where(back, edges[:, [2, 3, 0, 1]].T, edges.T)
    start, slope = y0[owner], ((y1 - y0) / (x1 - x0))[owner]
    step = GRID * columns + (2 - x0)[owner]
    before, after = ((start + slope * at + 0.5).astype(np.int64) for at in (step, step + 1))
    lower: Whole = np.minimum(before, after)
    return lower


def _steep(edges: Whole, owner: Whole, columns: Whole) -> Whole:
    """The same for edges higher than wide: one point for each step of y, and x passes each column once."""
    back = edges[:, 1] > edges[:, 3]
    x0, y0, x1, y1 = np.where(back, edges[:, [2, 3, 0, 1]].T, edges.T)
    slope, start = ((x1 - x0) / (y1 - y0))[owner], x0[owner]
    beyond = GRID * columns + 3
    step = np.ceil((beyond - 0.5 - start) / slope)

    def passed(at: Floats) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = start + slope * at + 0.5 >= beyond
        yes: NDArray[np.bool_] = right == (slope > 0)
        return yes

    step -= passed(step - 1)  # the division may be off by one rounding
    step += ~passed(step)
    before: Whole = y0[owner] + step.astype(np.int64) - 1
    return before


def _of_ellipse(ellipse: Ellipse, width: int, height: int) -> tuple[Window, Array]:
    cos, sin = math.cos(math.radians(ellipse.turn)), math.sin(math.radians(ellipse.turn))
    across, down = math.hypot(ellipse.rx * cos, ellipse.ry * sin), math.hypot(ellipse.rx * sin, ellipse.ry * cos)
    cx, cy = ellipse.cx, ellipse.cy
    window = _window(cx - across - 1, cy - down - 1, cx + across + 1, cy + down + 1, width, height)
    rows, columns = window
    x = np.arange(columns.start, columns.stop)[None, :] + 0.5 - cx
    y = np.arange(rows.start, rows.stop)[:, None] + 0.5 - cy
    with np.errstate(over="ignore"):  # of a tiny ellipse, what is far away is infinitely far
        inside: Array = ((x * cos + y * sin) / ellipse.rx) ** 2 + ((y * cos - x * sin) / ellipse.ry) ** 2 <= 1
    return window, inside


def _of_runs(runs: Runs) -> tuple[Window, Array]:
    flat = np.repeat(np.arange(len(runs.lengths)) % 2 == 1, runs.lengths)
    inside = flat.reshape(runs.width, runs.height).T if runs.by_column else flat.reshape(runs.height, runs.width)
    return (slice(runs.top, runs.top + runs.height), slice(runs.left, runs.left + runs.width)), inside


def _window(left: float, top: float, right: float, bottom: float, width: int, height: int) -> Window:
    """The whole pixels around a region that are in the image."""
    columns = (min(max(math.floor(left), 0), width), min(max(math.ceil(right), 0), width))
    rows = (min(max(math.floor(top), 0), height), min(max(math.ceil(bottom), 0), height))
    return slice(*rows), slice(*columns)


def run_lengths(inside: Array) -> str:
    """CVAT's run lengths: row by row, alternately outside and inside, starting outside."""
    flat = inside.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
    return ",".join(map(str, np.diff(edges, prepend=0)))
