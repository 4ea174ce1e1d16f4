"""Objects one by one: average precision, panoptic quality, and how far counts are off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.report.charts.chart import Chart
from stages.report.charts.dots import dots
from stages.report.figures import Figure, over_seeds, ranking
from stages.report.gather import Results, Run

TITLE = "Objects, one by one"
ORDER = 65
GROUP = "Mistakes"
COLUMNS = {
    "AP": ("mask", "AP"),
    "AP50": ("mask", "AP50"),
    "AP75": ("mask", "AP75"),
    "small": ("mask", "AP_small"),
    "medium": ("mask", "AP_medium"),
    "large": ("mask", "AP_large"),
    "box AP": ("box", "AP"),
    "PQ": ("panoptic", "PQ"),
    "SQ": ("panoptic", "SQ"),
    "RQ": ("panoptic", "RQ"),
    "PQ things": ("panoptic", "things", "PQ"),
    "PQ stuff": ("panoptic", "stuff", "PQ"),
    "nuclei challenge": ("challenge",),
}
CHARTED = ("AP50", "PQ")
SOURCES = {
    "network": "its own",
    "components": "what hangs together",
    "watershed": "what hangs together, cut at its necks",
}


@dataclass(frozen=True)
class Line:
    """One network: where its objects are from, its scores, and the interval of its AP and its PQ."""

    name: str
    source: str
    cells: dict[str, Figure]
    intervals: dict[str, list[float] | None]


def context(results: Results) -> dict[str, Any]:
    """A chart and a table of all networks, and tables by class."""
    names = [name for name in ranking(results) if all("instances" in run.metrics["test"] for run in results.runs[name])]
    things = [info.name for info in results.header.classes if info.thing]
    return {
        "chart": chart(results, names) if names else None,
        "columns": list(COLUMNS),
        "lines": [line(name, results.runs[name]) for name in names],
        "names": names,
        "classes": {thing: {name: by_class(results.runs[name], thing) for name in names} for thing in things},
        "by_class": ["AP", "AP50", "PQ", "counted wrong by", "too many"],
    }


def chart(results: Results, names: list[str]) -> Chart | None:
    """The two scores that are quoted."""
    groups = {key: {name: scored(results.runs[name], *COLUMNS[key]) for name in names} for key in CHARTED}
    note = "AP50 of masks, and PQ of all classes; 1 is best"
    return dots(groups, names, list(results.runs), "Objects", note)


def scored(runs: list[Run], *keys: str) -> Figure:
    """A score over the seeds."""
    return over_seeds(runs, "test", "instances", *keys)


def line(name: str, runs: list[Run]) -> Line:
    """A row of the table; intervals are shown for a single seed."""
    found = runs[0].metrics["test"]["instances"]
    alone = len(runs) == 1
    ends = {"AP": found["mask"]["intervals"]["AP"], "PQ": found["panoptic"]["interval"]} if alone else {}
    cells = {column: scored(runs, *keys) for column, keys in COLUMNS.items()}
    return Line(name, SOURCES[found["from"]], cells, ends)


def by_class(runs: list[Run], thing: str) -> list[Figure]:
    """AP, AP50 and PQ of a class, and how far its count in an image is off: in any direction, and on the whole."""
    return [
        scored(runs, "mask", "classes", thing, "AP"),
        scored(runs, "mask", "classes", thing, "AP50"),
        scored(runs, "panoptic", "classes", thing, "PQ"),
        scored(runs, "counting", thing, "error"),
        scored(runs, "counting", thing, "bias"),
    ]
