"""How the trainings went: validation mIoU, training loss and learning rate over the iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.report.charts.chart import EDGE, ROOM, Chart, dash, draw, fitted, hue, plot, shape
from stages.report.figures import binned, mean_curve
from stages.report.gather import Point, Results, Run

TITLE = "Learning curves"
ORDER = 110
GROUP = "Origins"
KEPT = "val/mIoU"  # the curve whose best point is marked: a run keeps the weights of its best point
RATE = "train/lr"
HEIGHT = 200  # pixels of a chart
ALL = "all architectures"  # the name of one line for all

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Curve:
    """The title and the note of a curve."""

    title: str
    note: str


CURVES = {
    KEPT: Curve("Validation mIoU", "higher is better; marks are the best points"),
    "train/loss": Curve("Training loss", "lower is better; losses of different networks may not be comparable"),
    RATE: Curve("Learning rate", "as scheduled"),
}


def context(results: Results) -> dict[str, Any]:
    """A chart of each curve that a run has."""
    return {"charts": {key: chart for key in CURVES if (chart := line_chart(results, key))}}


def line_chart(results: Results, key: str) -> Chart | None:
    """One curve of every architecture: the mean over its seeds, and a thinner line for each seed."""
    curve, names = CURVES[key], list(results.runs)
    runs = one_for_all(results.runs, key) if key == RATE else results.runs
    rows = [row for name, each in runs.items() for row in mean_rows(name, each, key)]
    if not rows:
        return None
    thin = [row for name, each in runs.items() if len(each) > 1 for run in each for row in seed_rows(name, run, key)]
    numbers = [[row["architecture"], row["iteration"], digits(row["value"])] for row in rows]
    label = f"{curve.title} over the iterations, a line for each of {', '.join(runs)}"
    note = curve.note if runs is results.runs else f"{curve.note}, the same for all"
    head = ["architecture", "iteration", "value"]
    return draw(fitted(layers_of(key, rows, thin, names)), curve.title, note, label, head, numbers)


def layers_of(key: str, rows: Rows, thin: Rows, names: list[str]) -> Any:
    """The lines of means over those of seeds, invisible points that have tips, and a mark on each line."""
    import altair as alt

    last = max(1, *(row["iteration"] for row in rows))
    values = [row["value"] for row in [*rows, *thin]]
    low, high = (min(values) if key == KEPT else 0.0), max(values)
    high = high if high > low else low + 1
    base = plot(rows, width=ROOM, height=HEIGHT).encode(
        x=alt.X(
            "iteration:Q",
            scale=alt.Scale(domain=(0, last), padding=EDGE),
            axis=alt.Axis(grid=False, values=nice_ticks(last)),
        ),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=(low, high)), axis=axis_of(key)),
        description="tip:N",
    )
    if {row["architecture"] for row in rows} == {ALL}:
        return base.mark_line(strokeWidth=2, color="var(--ink)") + base.mark_point(opacity=0, size=60)
    base = base.encode(color=hue(names, field="architecture", type="nominal"))
    layers = base.mark_line(strokeWidth=2).encode(strokeDash=dash(names, field="architecture", type="nominal"))
    if thin:
        seeds = base.mark_line(strokeWidth=1, opacity=0.4).encode(detail="seed:N", description=alt.value(""))
        layers = seeds.properties(data=alt.InlineData(values=thin)) + layers
    layers += base.mark_point(opacity=0, size=60)
    marked = [max(line, key=lambda row: row["value"]) if key == KEPT else line[-1] for line in lines_of(rows)]
    mark = base.mark_point(filled=True, size=80, opacity=1).properties(data=alt.InlineData(values=marked))
    return layers + mark.encode(shape=shape(names, field="architecture", type="nominal"))


def mean_rows(name: str, runs: list[Run], key: str) -> list[dict[str, Any]]:
    """The points of an architecture's line: the mean over its seeds."""
    return rows_of(name, binned(sorted(mean_curve([run.curves.get(key, []) for run in runs]).items())))


def seed_rows(name: str, run: Run, key: str) -> list[dict[str, Any]]:
    """The points of one seed's line."""
    return [{**row, "seed": run.seed} for row in rows_of(name, binned(run.curves.get(key, [])))]


def rows_of(name: str, points: list[Point]) -> list[dict[str, Any]]:
    """Points as rows of a chart."""
    return [
        {"architecture": name, "iteration": x, "value": y, "tip": f"{name}, iteration {x}: {digits(y)}"}
        for x, y in points
    ]


def one_for_all(runs: dict[str, list[Run]], key: str) -> dict[str, list[Run]]:
    """One run for all, if all have the same curve."""
    first, *others = (run for each in runs.values() for run in each)
    same = all(run.curves.get(key) == first.curves.get(key) for run in others)
    return {ALL: [first]} if others and same else runs


def lines_of(rows: Rows) -> list[Rows]:
    """The rows of each architecture."""
    names = dict.fromkeys(row["architecture"] for row in rows)
    return [[row for row in rows if row["architecture"] == name] for name in names]


def axis_of(key: str) -> Any:
    """The axis of values; learning rates are small numbers."""
    import altair as alt

    return alt.Axis(tickCount=2, format="~r") if key == RATE else alt.Axis(tickCount=5)


def nice_ticks(last: int) -> list[int]:
    """A few round iterations up to the last."""
    step = next(s * 10**power for power in range(9) for s in (1, 2, 5) if last <= 6 * s * 10**power)
    return list(range(0, last + 1, step))


def digits(value: float) -> str:
    """Three decimals, or three significant digits, without an exponent: learning rates end near nothing."""
    if abs(value) >= 0.1:
        return f"{value:.3f}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")
