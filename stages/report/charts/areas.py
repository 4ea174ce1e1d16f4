"""Predicted against true area: a small chart for each architecture, all on the same axes. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from stages.report.charts.chart import HUES, SHAPES, Chart, draw, fitted, plot, turn

Areas = list[tuple[float, float, str, str]]  # true and predicted area, class, image
SIDE = 236  # pixels: four of them side by side on a desk
POINTS = 400  # of one architecture
ALL_POINTS = 2400  # of all together, so that the page loads fast
NEAR = 0.1
RATIO = "predicted / true area"
HEAD = (
    "architecture",
    "class",
    "found objects",
    "median true area, px",
    f"{RATIO}, lower quartile",
    "median",
    "upper quartile",
)


def area_chart(name: str, position: int, areas: Mapping[str, Areas]) -> Chart:
    """The found objects of one architecture, in its mark; on the diagonal, predicted and true area are equal."""
    import altair as alt

    low, high = bounds(areas)
    scale, ticks = alt.Scale(type="log", domain=[low, high], nice=False), steps(low, high)
    axis = alt.Axis(values=ticks, format="~s", grid=True, labelFlush=False)
    x = alt.X("true:Q", title="true area, px", scale=scale, axis=axis)
    y = alt.Y("area:Q", title="predicted area, px", scale=scale, axis=axis)
    band = [
        {"true": end, "low": end * (1 - NEAR), "high": end * (1 + NEAR)}
        for end in (low / (1 - NEAR), high / (1 + NEAR))
    ]
    ends = [{"true": end, "area": end} for end in (low, high)]
    points = plot([point(*found) for found in sampled(areas[name], len(areas))], width=SIDE, height=SIDE)
    colour, mark = f"var(--hue-{position % HUES})", SHAPES[turn(position)]
    layers = (
        plot(band)
        .mark_area(color="var(--warm)", opacity=0.18, aria=False)
        .encode(x=x, y=alt.Y("low:Q", title="predicted area, px", scale=scale, axis=axis), y2="high:Q")
        + plot(ends).mark_line(color="var(--muted)", strokeWidth=1, aria=False).encode(x=x, y=y)
        + points.mark_point(size=20, strokeWidth=1.1, opacity=0.75, color=colour, shape=mark).encode(
            x=x, y=y, description="tip:N"
        )
    )
    label = f"Predicted against true area of the objects that {name} found: {scatter(areas[name])}"
    return draw(fitted(layers), name, "", label, HEAD, numbers({name: areas[name]}))


def point(true: float, area: float, kind: str, image: str) -> dict[str, float | str]:
    """One object as it is drawn."""
    tip = f"{kind} in {image}: {area:,.0f} px predicted, {true:,.0f} true"
    return {"true": true, "area": area, "tip": tip}


def sampled(areas: Areas, architectures: int) -> Areas:
    """At most as many as are drawn, evenly from the smallest to the largest."""
    most = min(POINTS, ALL_POINTS // architectures)
    if len(areas) <= most:
        return areas
    return [areas[i] for i in np.linspace(0, len(areas) - 1, most).round().astype(int).tolist()]


def bounds(areas: Mapping[str, Areas]) -> tuple[float, float]:
    """The least and the largest area that is drawn, with some room."""
    both = [each for found in areas.values() for true, area, _, _ in found for each in (true, area)]
    return min(both) / 1.3, max(both) * 1.3


def steps(low: float, high: float) -> list[float]:
    """Powers of ten within the bounds, with threes between if there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens, threes = (
        [n * 10.0**p for p in powers for n in each if low <= n * 10.0**p <= high] for each in ((1,), (1, 3))
    )
    return tens if len(tens) > 2 else threes


def quartiles(areas: Areas) -> tuple[float, float, float]:
    """The quartiles of predicted / true area."""
    low, middle, high = np.quantile([area / true for true, area, _, _ in areas], [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def scatter(areas: Areas) -> str:
    """How far predicted areas are from the true ones, in words."""
    low, middle, high = quartiles(areas)
    half = f"half of them from {low:.2f} to {high:.2f}"
    return f"{len(areas)} objects, the median at {middle:.2f} times the true area, {half}"


def numbers(areas: Mapping[str, Areas]) -> list[list[str]]:
    """A summary for each architecture and class: of all objects, including those that are not drawn."""
    rows = []
    for name, found in areas.items():
        for kind in sorted({row[2] for row in found}):
            own = [row for row in found if row[2] == kind]
            ratios = [f"{value:.3f}" for value in quartiles(own)]
            rows.append([name, kind, str(len(own)), f"{np.median([row[0] for row in own]):,.0f}", *ratios])
    return rows
