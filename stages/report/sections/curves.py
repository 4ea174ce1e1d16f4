"""How the trainings went: validation mIoU and training loss, a line for each run."""

from __future__ import annotations

from typing import Any

from stages.report.chart import Chart, dash, draw, hue, plot
from stages.report.figures import binned
from stages.report.gather import Results

TITLE = "Learning curves"
CURVES = {
    "val/mIoU": ("Validation mIoU", "higher is better; the weights of the best are kept"),
    "train/loss": ("Training loss", "lower is better; losses of different networks do not compare"),
}


def context(results: Results) -> dict[str, Any]:
    """A chart of each curve that a run has."""
    return {"charts": [chart for key in CURVES if (chart := line_chart(results, key))]}


def line_chart(results: Results, key: str) -> Chart | None:
    """One curve of all runs, over the iterations."""
    import altair as alt

    title, note = CURVES[key]
    rows = [
        {"architecture": name, "seed": run.seed, "iteration": x, "value": y, "tip": f"{name}, iteration {x}: {y:.3f}"}
        for name, runs in results.runs.items()
        for run in runs
        for x, y in binned(run.curves.get(key, []))
    ]
    if not rows:
        return None
    names = list(results.runs)
    base = plot(rows, width=460, height=240).encode(
        x=alt.X("iteration:Q", axis=alt.Axis(grid=False, tickCount=5)),
        y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=key != "val/mIoU")),
        color=hue(names, field="architecture", type="nominal"),
        detail="seed:N",
        description="tip:N",
    )
    lines = base.mark_line(strokeWidth=2).encode(strokeDash=dash(names, field="architecture", type="nominal"))
    ends = [[r["architecture"], r["seed"], r["iteration"], f"{r['value']:.3f}"] for r in rows]
    label = f"{title} over the iterations, a line for each of {', '.join(names)}"
    return draw(lines + base.mark_point(opacity=0, size=60), title, note, label, list(rows[0])[:4], ends)
