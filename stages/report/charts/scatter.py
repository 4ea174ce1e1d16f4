"""Quality against cost: a point for each architecture, and the Pareto front."""

from __future__ import annotations

import math
from typing import Any

from stages.report.charts.chart import Chart, draw, hue, plot, shape
from stages.report.charts.forest import padded
from stages.report.charts.labels import LINE, beside
from stages.report.figures import Span, front, listed, over_seeds, span
from stages.report.gather import Results
from stages.report.markdown import percent, short
from stages.report.standing import Standing

COSTS = {"flops": "FLOPs", "parameters": "parameters"}
WIDTH, HEIGHT = 252, 220  # pixels, without the axes

Points = dict[str, tuple[float, float]]  # of each architecture its cost and its test mIoU


def points(results: Results, names: list[str], key: str) -> Points:
    """The architectures that have both; a cost of 0 has no position on a logarithmic axis."""
    found = {}
    for name in names:
        cost, score = results.runs[name][0].cost[key], over_seeds(results.runs[name], "test", "mIoU").mean
        if cost and score is not None:
            found[name] = (float(cost), score)
    return found


def verdict(found: Points, key: str, standing: Standing | None) -> str:
    """The chart in words: what a cheaper network gives up. Only a network that is shown to be best is called so."""
    *cheaper, best = front(found)
    what, clear = COSTS[key], standing is not None and standing.clear and standing.best == best
    tied = [] if standing is None else standing.tied
    if clear and not cheaper:
        return f"{best} is best, and no other has fewer {what}: it is the one to take at any budget."
    parts = [f"{best} is best." if clear else f"{best} scores highest, though not shown to be best."]
    for name in reversed(cheaper):
        share, less = found[name][0] / found[best][0], found[best][1] - found[name][1]
        doubt = ", which may be chance" if name in tied else ""
        parts.append(f"{name} needs {percent(share)} of its {what} and scores {less:.3f} less{doubt}.")
    others = [name for name in found if name not in (*cheaper, best)]
    if others:
        parts.append(f"Another scores at least as much with no more {what}: {listed(others)}.")
    return " ".join(parts)


def scatter(results: Results, names: list[str], key: str) -> Chart | None:
    """The chart; None for fewer than two points: there is nothing to compare."""
    found, what = points(results, names, key), COSTS[key]
    if len(found) < 2:
        return None
    best = front(found)
    rows: list[dict[str, Any]] = []
    for name, (cost, score) in found.items():
        low, high = span(results.runs[name], "test", "mIoU") or (score, score)
        tip = f"{name}: {score:.3f} mIoU for {short(cost)} {what}"
        row = {"architecture": name, "cost": cost, "score": score, "low": low, "high": high, "tip": tip}
        rows.append({**row, "front": name in best})
    note = "filled: on the Pareto front; dotted: the best score at a budget"
    label = f"Test mIoU against {what}, the cheapest first: {', '.join(sorted(found, key=lambda name: found[name]))}"
    numbers = [[r["architecture"], short(r["cost"]), f"{r['score']:.3f}", "yes" if r["front"] else "no"] for r in rows]
    head = ["architecture", what, "test mIoU", "on the Pareto front"]
    return draw(
        layers_of(rows, best, what, list(results.runs)), f"Test mIoU against {what}", note, label, head, numbers
    )


def layers_of(rows: list[dict[str, Any]], best: list[str], what: str, order: list[str]) -> Any:
    """The front as steps, the bars, the marks (hollow off the front) and the names."""
    import altair as alt

    across = (min(row["cost"] for row in rows) / 1.5, max(row["cost"] for row in rows) * 1.5)
    up = padded([row[key] for row in rows for key in ("low", "high")])
    scale = alt.Scale(type="log", domain=across, nice=False)
    base = plot([*map(dict, rows)], width=WIDTH, height=HEIGHT).encode(
        x=alt.X("cost:Q", title=what, scale=scale, axis=alt.Axis(values=ticks(across), format="~s", grid=False)),
        y=alt.Y("score:Q", title="mIoU", scale=alt.Scale(domain=up, nice=False), axis=alt.Axis(tickCount=5)),
        color=hue(order, field="architecture", type="nominal"),
        description="tip:N",
    )
    steps = sorted((row for row in rows if row["front"]), key=lambda row: best.index(row["architecture"]))
    line = base.mark_line(interpolate="step-after", strokeWidth=1.5, strokeDash=[2, 3]).encode(
        color=alt.value("var(--muted)"), description=alt.value("")
    )
    layers = line.properties(data=alt.InlineData(values=[*steps, {**steps[-1], "cost": across[1]}]))
    layers += base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y="low:Q", y2="high:Q")
    point = base.encode(shape=shape(order, field="architecture", type="nominal"))
    hollow = {"filled": False, "fill": "var(--card)", "size": 90, "strokeWidth": 2, "opacity": 1}
    layers += point.mark_point(filled=True, size=110, opacity=1).transform_filter("datum.front")
    layers += point.mark_point(**hollow).transform_filter("!datum.front")
    named = placed(rows, across, up)
    for align in ("left", "right"):
        texts = alt.InlineData(values=[row for row in named if row["align"] == align])
        text = base.properties(data=texts).encode(text="architecture:N", color=alt.value("var(--ink)"))
        layers += text.mark_text(align=align, stroke="var(--card)", strokeWidth=5, strokeJoin="round")
        layers += text.mark_text(align=align)
    return layers


def placed(rows: list[dict[str, Any]], across: Span, up: Span) -> list[dict[str, Any]]:
    """The positions of the names, in the units of the axes; names without room are left out."""
    wide, high = math.log(across[1] / across[0]), up[1] - up[0]
    at = [(WIDTH * math.log(row["cost"] / across[0]) / wide, HEIGHT * (up[1] - row["score"]) / high) for row in rows]
    spots = beside(at, [row["architecture"] for row in rows], (WIDTH, HEIGHT - LINE / 2))
    return [
        {
            **row,
            "align": spot[0],
            "cost": across[0] * math.exp(spot[1] / WIDTH * wide),
            "score": up[1] - spot[2] / HEIGHT * high,
        }
        for row, spot in zip(rows, spots, strict=True)
        if spot
    ]


def ticks(across: Span) -> list[float]:
    """A few round numbers on a logarithmic axis."""
    powers = range(math.floor(math.log10(across[0])), math.ceil(math.log10(across[1])) + 1)
    found: list[float] = []
    for digits in ((1,), (1, 2, 5), (1, 2, 3, 5, 7), range(1, 10)):
        found = [digit * 10.0**power for power in powers for digit in digits]
        found = [tick for tick in found if across[0] <= tick <= across[1]]
        if len(found) > 2:
            break
    return found
