"""The architectures side by side: their scores on the test split, the uncertainty of these, and the costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pixelproof.scoring.catalogue import CATALOGUE, Metric, in_tables
from pixelproof.scoring.resampling import FEWEST
from stages.report.charts.scatter import COSTS, points, scatter, verdict
from stages.report.figures import Figure, as_shown, best_of, over_seeds, ranking, tolerances
from stages.report.gather import Results
from stages.report.markdown import ranged
from stages.report.standing import out_of_fold, standing

TITLE = "Architectures"
ORDER = 20
GROUP = "Networks"
DETAILS = ("object_recall", "small_object_recall", "ece")  # next to boundary F1 at each tolerance


@dataclass(frozen=True)
class Column:
    """A column of the table: a metric, and which number of metrics.json that is."""

    title: str
    metric: Metric
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """A number of one architecture, its interval in words, and whether it is the best."""

    figure: Figure
    range: str
    best: bool


def context(results: Results) -> dict[str, Any]:
    """Three tables, and a chart of quality against each cost."""
    names, found = ranking(results), standing(results)
    views = {key: rows_of(results, names, columns) for key, columns in columns_of(results).items()}
    costs = {name: results.runs[name][0].cost for name in names}
    charts = {key: chart for key in COSTS if (chart := scatter(results, names, key))}
    return {
        "views": views,
        "costs": costs,
        "most": max((cost["flops"] or 0 for cost in costs.values()), default=0),
        "size": next(iter(costs.values())),
        "intervals": results.runs[names[0]][0].metrics["test"]["intervals"],
        "fewest": FEWEST,
        "folded": out_of_fold(results),
        "scatters": charts,
        "costs_named": {"flops": "By FLOPs.", "parameters": "By parameters."},
        "verdicts": {key: verdict(points(results, names, key), key, found) for key in charts},
        "undrawn": {key: [name for name in names if name not in points(results, names, key)] for key in charts},
    }


def columns_of(results: Results) -> dict[str, list[Column]]:
    """The columns of each view."""
    runs = next(iter(results.runs.values()))
    first, *others = (Column(metric.title, metric, ("test", *metric.keys)) for metric in in_tables(per_class=False))
    edge = CATALOGUE["boundary_f1"]
    edges = [
        Column(f"{edge.title}, {tolerance} px", edge, ("test", "boundary", tolerance, "f1"))
        for tolerance in tolerances(runs)
    ]
    details = [CATALOGUE[name] for name in DETAILS]
    return {
        "quality": [
            first,
            *others,
            Column(f"{first.title}, {results.validated}", first.metric, ("val", *first.metric.keys)),
        ],
        "details": [first, *edges, *(Column(one.title, one, ("test", *one.keys)) for one in details)],
    }


def rows_of(results: Results, names: list[str], columns: list[Column]) -> tuple[list[Column], list[list[Cell]]]:
    """The columns, and a row of cells for each architecture."""
    cells: list[list[Cell]] = [[] for _ in names]
    for column in columns:
        figures = [over_seeds(results.runs[name], *column.keys) for name in names]
        best = best_of(column.metric, figures)
        for row, name, figure in zip(cells, names, figures, strict=True):
            first = best is not None and as_shown(figure) == best
            row.append(Cell(figure, ranged(results.runs[name], *column.keys), first))
    return columns, cells
