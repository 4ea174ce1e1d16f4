"""A forest plot, the best first: each architecture's test mIoU, its interval, its seeds and its validation score."""

from __future__ import annotations

from typing import Any

from stages.report.charts.chart import EDGE, ROOM, Chart, draw, fitted, hue, plot, shape
from stages.report.figures import TOO_FEW, over_seeds, span, too_few
from stages.report.gather import Results, Run
from stages.report.markdown import between, ranged, shown

ROW = 42  # pixels: a line of text, and below it the bar
NAMED = 150  # pixels of a name, at most: the numbers are in the same line


def forest(results: Results, names: list[str]) -> Chart | None:
    """The chart, the best on top; None if nothing has a score."""
    rows = [row for name in names if (row := row_of(name, results.runs[name], results.validated))]
    if not rows:
        return None
    dots = [dot for name in names for dot in dots_of(name, results.runs[name])]
    label = "Test mIoU: " + ", ".join(f"{row['architecture']} {row['text']}" for row in rows)
    bar = "bar: interval" if len(results.seeds) == 1 else "bar: ± deviation of the seeds, small dots: seeds"
    if all(too_few(results.runs[row["architecture"]], "test", "mIoU") for row in rows):
        bar = TOO_FEW
    numbers = [
        [
            name,
            shown(over_seeds(runs, "test", "mIoU")),
            ranged(runs, "test", "mIoU") or "absent",
            validated(runs),
        ]
        for name, runs in ((name, results.runs[name]) for name in names)
    ]
    head = ["architecture", "test mIoU", "interval", f"{results.validated.replace(' ', '-')} mIoU"]
    layers = layers_of(rows, dots, list(results.runs))
    return draw(fitted(layers), "Test mIoU", f"mark: test; {bar}; stroke: {results.validated}", label, head, numbers)


def row_of(name: str, runs: list[Run], beside: str) -> dict[str, Any] | None:
    """An architecture's score, its interval, and its score on val."""
    mean = over_seeds(runs, "test", "mIoU").mean
    if mean is None:
        return None
    ends = span(runs, "test", "mIoU")
    low, high = ends or (mean, mean)
    return {
        "architecture": name,
        "test": mean,
        "low": low,
        "high": high,
        "val": over_seeds(runs, "val", "mIoU").mean,
        "text": shown(over_seeds(runs, "test", "mIoU")) + (f"  {between(ends)}" if ends and len(runs) == 1 else ""),
        "tip": f"{name}: {mean:.3f}" + (f" ({between(ends)})" if ends else ""),
        "beside": f"{name}, {beside}: {validated(runs)}",
    }


def validated(runs: list[Run]) -> str:
    """The score on val."""
    return shown(over_seeds(runs, "val", "mIoU"))


def dots_of(name: str, runs: list[Run]) -> list[dict[str, Any]]:
    """The score of each seed, if there are several."""
    scores = [(run.seed, run.number("test", "mIoU")) for run in runs if len(runs) > 1]
    return [
        {"architecture": name, "seed": score, "tip": f"{name}, seed {seed}: {score:.3f}"}
        for seed, score in scores
        if score is not None
    ]


def layers_of(rows: list[dict[str, Any]], dots: list[dict[str, Any]], order: list[str]) -> Any:
    """The bars, the strokes of val, the seeds, the marks and their numbers."""
    import altair as alt

    values = [row[key] for row in rows for key in ("low", "high", "val") if row[key] is not None]
    ends = padded([*values, *(dot["seed"] for dot in dots)])
    base = plot(rows, width=ROOM, height=ROW * len(rows)).encode(
        y=alt.Y("architecture:N", sort=[row["architecture"] for row in rows], axis=None),
        color=hue(order, field="architecture", type="nominal"),
        description="tip:N",
    )

    def at(field: str) -> Any:
        scale = alt.Scale(domain=ends, nice=False, padding=EDGE)
        return alt.X(f"{field}:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5))

    below = {"yOffset": 9}
    stroke = base.mark_tick(thickness=2, size=14, **below)
    layers = base.mark_rule(strokeWidth=2.5, **below).encode(x=at("low"), x2="high:Q")
    layers += stroke.encode(x=at("val"), color=alt.value("var(--muted)"), description="beside:N")
    if dots:
        small = base.mark_point(filled=True, size=16, opacity=0.9, yOffset=17).encode(x=at("seed"))
        layers += small.properties(data=alt.InlineData(values=dots))
    mark = base.mark_point(filled=True, size=110, opacity=1, **below).encode(x=at("test"))
    layers += mark.encode(shape=shape(order, field="architecture", type="nominal"))
    text = base.encode(color=alt.value("var(--ink)"))
    layers += text.mark_text(align="left", dy=-10, limit=NAMED).encode(x=alt.value(0), text="architecture:N")
    return layers + text.mark_text(align="right", dy=-10).encode(x=alt.value("width"), text="text:N")


def padded(values: list[float]) -> tuple[float, float]:
    """The ends of an axis, with some room beyond the values, within 0 and 1."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.12, 0.01)
    return max(low - room, 0.0), min(high + room, 1.0)
