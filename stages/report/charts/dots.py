"""Dots on one scale: a row for each architecture, in groups, each dot with its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.report.charts.chart import EDGE, LABEL, ROOM, Chart, draw, hue, plot, shape
from stages.report.charts.labels import LETTER
from stages.report.figures import Figure
from stages.report.markdown import shown

ROW = 22  # pixels of height for an architecture
LEAST = 90  # pixels from 0 to 1, at least


def dots(
    groups: Mapping[str, Mapping[str, Figure]], names: Sequence[str], hues: Sequence[str], title: str, note: str
) -> Chart | None:
    """Figures from 0 to 1 by group and architecture, in the order of `names`; None if all are absent.

    `hues` are all architectures in the order of their colours. With several seeds, a bar shows ± their deviation.
    """
    import altair as alt

    rows = [row(group, name, figure, title) for group, figures in groups.items() for name, figure in figures.items()]
    if all(figure.mean is None for figures in groups.values() for figure in figures.values()):
        return None
    said, named = (max(len(row[key]) for row in rows) for key in ("said", "architecture"))
    width = max(ROOM - min(round(LETTER * named), LABEL) - round(LETTER * said) - 22, LEAST)
    base = plot(rows, width=width, height=alt.Step(ROW)).encode(
        y=alt.Y("architecture:N", sort=list(names), title=None, axis=alt.Axis(ticks=False, domain=False)),
        description="tip:N",
    )
    x = alt.X("value:Q", title=None, scale=alt.Scale(domain=[0, 1], padding=EDGE), axis=alt.Axis(values=[0, 0.5, 1]))
    points = base.mark_point(filled=True, size=75, opacity=1).encode(
        x=x,
        color=hue(hues, field="architecture", type="nominal"),
        shape=shape(hues, field="architecture", type="nominal"),
    )
    spread = base.mark_rule(strokeWidth=2).encode(
        x="low:Q", x2="high:Q", color=hue(hues, field="architecture", type="nominal")
    )
    numbers = base.mark_text(align="left").encode(x=alt.value(width + 10), text="said:N")
    facet = alt.Row("group:N", sort=list(groups), title=None, header=alt.Header(labelOrient="top", labelAnchor="start"))
    spec = (spread + points + numbers).facet(row=facet, spacing=12)
    head = ["architecture", *groups]
    table = [[name, *(shown(figures[name]) for figures in groups.values())] for name in names]
    label = f"{title}. " + "; ".join(f"{name}: {', '.join(cells)}" for name, *cells in table)
    return draw(spec, title, note, label, head, table)


def row(group: str, name: str, figure: Figure, title: str) -> dict[str, Any]:
    """A dot as a row for Vega; an absent one has a text but no position."""
    mean, around = figure.mean, figure.deviation or 0.0
    place: dict[str, Any] = {"value": None, "low": None, "high": None}
    if mean is not None:
        place = {"value": mean, "low": max(mean - around, 0.0), "high": min(mean + around, 1.0)}
    said = shown(figure)
    return {"group": group, "architecture": name, "said": said, "tip": f"{name}, {group}: {title} {said}", **place}
