"""The architectures side by side: their numbers on the test split, how sure those are, and what a network costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.report.charts.forest import forest
from stages.report.charts.scatter import COSTS, points, scatter, verdict
from stages.report.figures import Figure, Span, over_seeds, ranking, span
from stages.report.gather import MEASURES, Results

TITLE = "Architectures"


@dataclass(frozen=True)
class Column:
    """A column of the table: which number of metrics.json, and whether less of it is better."""

    title: str
    keys: tuple[str, ...]
    less: bool = False


@dataclass(frozen=True)
class Cell:
    """A number of one architecture, how sure it is, and whether none has a better one."""

    figure: Figure
    span: Span | None
    best: bool


def context(results: Results) -> dict[str, Any]:
    """Three tables, a chart of intervals, and one of quality against each cost."""
    names = ranking(results)
    views = {key: table(results, names, columns) for key, columns in columns_of(results).items()}
    costs = {name: results.runs[name][0].cost for name in names}
    charts = {key: chart for key in COSTS if (chart := scatter(results, names, key))}
    return {
        "views": views,
        "costs": costs,
        "most": max((cost["flops"] or 0 for cost in costs.values()), default=0),
        "size": next(iter(costs.values())),
        "intervals": results.runs[names[0]][0].metrics["test"]["intervals"],
        "forest": forest(results, names),
        "scatters": charts,
        "verdicts": {key: verdict(points(results, names, key), key) for key in charts},
        "undrawn": {key: [name for name in names if name not in points(results, names, key)] for key in charts},
    }


def columns_of(results: Results) -> dict[str, list[Column]]:
    """The columns of each view."""
    first, *others = (Column(title, ("test", key)) for key, title in MEASURES.items() if key not in ("recall",))
    metrics = next(iter(results.runs.values()))[0].metrics["test"]
    edges = [Column(f"boundary F1, {t} px", ("test", "boundary", t, "f1")) for t in metrics["boundary"]]
    return {
        "quality": [
            first,
            *(column for column in others if column.title != "precision"),
            Column("fwIoU", ("test", "fwIoU")),
            Column("mIoU, validation", ("val", "mIoU")),
        ],
        "details": [
            first,
            *edges,
            Column("objects found", ("test", "sizes", "all", "recall")),
            Column("small ones found", ("test", "sizes", "small", "recall")),
            Column("calibration error", ("test", "calibration", "ece"), less=True),
        ],
    }


def table(results: Results, names: list[str], columns: list[Column]) -> tuple[list[Column], list[list[Cell]]]:
    """The columns, and a row of cells for each architecture."""
    cells: list[list[Cell]] = [[] for _ in names]
    for column in columns:
        figures = [over_seeds(results.runs[name], *column.keys) for name in names]
        means = [figure.mean for figure in figures if figure.mean is not None]
        best = (min if column.less else max)(means, default=None)
        for row, name, figure in zip(cells, names, figures, strict=True):
            split, *keys = column.keys
            row.append(Cell(figure, span(results.runs[name], split, *keys), best is not None and figure.mean == best))
    return columns, cells
