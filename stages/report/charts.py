"""The geometry of charts: numbers in, coordinates out. The template draws them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stages.report.gather import Point

BINS = 120  # more points than this are averaged, so that a long run's loss stays a line and not a cloud


@dataclass(frozen=True)
class Frame:
    """A chart's inner rectangle, in the units of its viewBox."""

    width: int = 520
    height: int = 300
    left: int = 48
    right: int = 12
    top: int = 12
    bottom: int = 34


@dataclass(frozen=True)
class Tick:
    """A grid line: where, and what stands at it."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """One run's curve."""

    architecture: str
    seed: int
    path: str
    end: tuple[float, float]
    last: float


@dataclass(frozen=True)
class Chart:
    """Lines in a frame, with the ticks of both axes."""

    title: str
    note: str
    frame: Frame
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]


def line_chart(title: str, note: str, curves: list[tuple[str, int, list[Point]]], floor: float | None = None) -> Chart:
    """A chart of (architecture, seed, points); the y axis begins at `floor`, else near the smallest value."""
    frame = Frame()
    curves = [(name, seed, binned(points)) for name, seed, points in curves if points]
    xs = [x for _, _, points in curves for x, _ in points]
    ys = [y for _, _, points in curves for _, y in points if math.isfinite(y)]
    if not ys:
        return Chart(title, note, frame, [], [], [])
    x_ticks = ticks(0, max(xs))
    y_ticks = ticks(min(ys) if floor is None else floor, max(ys))
    x_end, (y_start, y_end) = max(xs) or 1, (y_ticks[0], y_ticks[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        inner_width, inner_height = frame.width - frame.left - frame.right, frame.height - frame.top - frame.bottom
        up = (y - y_start) / (y_end - y_start)
        return round(frame.left + x / x_end * inner_width, 1), round(frame.top + (1 - up) * inner_height, 1)

    lines = []
    for name, seed, points in curves:
        finite = [(x, y) for x, y in points if math.isfinite(y)]
        if finite:
            placed = [place(x, y) for x, y in finite]
            path = "M" + "L".join(f"{x:g} {y:g}" for x, y in placed)
            lines.append(Line(name, seed, path, placed[-1], finite[-1][1]))
    return Chart(
        title,
        note,
        frame,
        [Tick(place(x, y_start)[0], f"{x:g}") for x in x_ticks if x <= x_end],
        [Tick(place(0, y)[1], f"{y:g}") for y in y_ticks],
        lines,
    )


def binned(points: list[Point]) -> list[Point]:
    """At most BINS points: means of as many neighbours as it takes, at their last iteration."""
    step = math.ceil(len(points) / BINS)
    groups = [points[i : i + step] for i in range(0, len(points), max(step, 1))]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that span low to high: steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / count))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * count >= span)
    first, last = math.floor(low / step), math.ceil(high / step)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(i * step, digits) for i in range(first, max(last, first + 1) + 1)]
