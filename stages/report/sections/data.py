"""What the networks were trained and tested on: the data cards of prepare, and where the splits differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pixelproof.data.dataset import ClassInfo
from stages.report.charts.chart import CLASS, EDGE, Chart, draw, plot
from stages.report.gather import Results
from stages.report.markdown import percent

TITLE = "Data"
ORDER = 120
GROUP = "Origins"
LOOKS = {  # neither a colour nor a shape that the first networks have
    "train": ("triangle-right", "--muted"),
    "val": ("triangle-left", "--warm"),
    "test": ("triangle-down", "--alarm"),
}
ROWS = (33, 21)  # chart pixels for each class: of few, of many
FEW = 12
WIDE = 184  # pixels, beside the names


@dataclass(frozen=True)
class Line:
    """One class: its share of each split's labelled pixels, in how many images it is, and how many objects it has."""

    info: ClassInfo
    shares: dict[str, float | None]
    images: dict[str, int | None]
    objects: dict[str, int | None]


def context(results: Results) -> dict[str, Any]:
    """The card of each split, a line for each class, and the shares as a chart."""
    lines = [line(results, info) for info in results.header.classes]
    return {
        "cards": results.cards,
        "lines": lines,
        "largest": max((share for made in lines for share in made.shares.values() if share), default=1.0),
        "countable": any(number is not None for made in lines for number in made.objects.values()),
        "chart": shares_chart(results, lines),
    }


def line(results: Results, info: ClassInfo) -> Line:
    """What the cards say about a class."""
    found: dict[str, dict[str, Any]] = {
        split: next((c for c in card["classes"] if c["name"] == info.name), {}) for split, card in results.cards.items()
    }
    shares, images, objects = (
        {split: entry.get(key) for split, entry in found.items()} for key in ("share", "images", "instances")
    )
    return Line(info, shares, images, objects)


def shares_chart(results: Results, lines: list[Line]) -> Chart | None:
    """The share of each class in each split: a row for each class, a point for each split."""
    import altair as alt

    rows = [
        {
            "row": i,
            "class": made.info.name,
            "split": split,
            "share": share,
            "tip": f"{made.info.name}, {split}: {percent(share, 1)}",
        }
        for i, made in enumerate(lines)
        for split, share in made.shares.items()
        if share is not None
    ]
    if not rows:
        return None
    splits = list(LOOKS)
    height = len(lines) * ROWS[len(lines) > FEW]
    labels = [{"row": i, "name": made.info.name} for i, made in enumerate(lines)]
    base = plot(rows, width=WIDE, height=height).encode(
        x=alt.X(
            "share:Q",
            title="share of the pixels (square root)",
            scale=alt.Scale(type="sqrt", nice=True, zero=True, padding=EDGE),
            axis=alt.Axis(format=".0%", tickCount=3),
        ),
        y=alt.Y("row:O", axis=None, scale=alt.Scale(paddingInner=0.35)),
    )
    key = alt.Legend(title=None, orient="top", symbolSize=70)
    rule = base.mark_rule(strokeWidth=3, opacity=0.25).encode(x="min(share):Q", x2="max(share):Q")
    points = base.mark_point(filled=True, size=48, opacity=1).encode(
        color=alt.Color(
            "split:N", scale=alt.Scale(domain=splits, range=[f"var({LOOKS[s][1]})" for s in splits]), legend=key
        ),
        shape=alt.Shape("split:N", scale=alt.Scale(domain=splits, range=[LOOKS[s][0] for s in splits]), legend=key),
        yOffset=alt.YOffset("split:N", scale=alt.Scale(domain=splits)),
        description="tip:N",
    )
    text = (
        plot(labels, width=WIDE, height=height)
        .mark_text(align="right", dx=-8, limit=CLASS)
        .encode(x=alt.value(0), y=alt.Y("row:O", axis=None), text="name:N")
    )
    numbers = [[made.info.name, *(percent(made.shares[split], 2) for split in splits)] for made in lines]
    return draw(
        rule + points + text,
        "How similar the splits are",
        "where the points of a class are far apart, a score on one split says less about the others",
        "Share of the labelled pixels of each class in train, val and test",
        ["class", *splits],
        numbers,
    )
