"""How accurate the boundaries of the classes are: boundary F1 and boundary IoU at each tolerance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pixelproof.data.dataset import read_split
from pixelproof.scoring.catalogue import CATALOGUE
from stages.report.charts.chart import Chart
from stages.report.charts.dots import dots
from stages.report.figures import Figure, as_shown, best_of, listed, over_seeds, ranking
from stages.report.gather import Results

TITLE = "Boundaries"
ORDER = 70
GROUP = "Mistakes"
MEASURES = {metric.keys[-1]: metric.heading for metric in CATALOGUE.values() if metric.keys[0] == "boundary"}


@dataclass(frozen=True)
class Line:
    """One class over the architectures, and which are the best."""

    name: str
    color: tuple[int, int, int]
    cells: list[tuple[Figure, bool]]


@dataclass(frozen=True)
class Table:
    """One measure at one tolerance: all classes together, then each."""

    title: str
    whole: list[tuple[Figure, bool]]
    lines: list[Line]


def context(results: Results) -> dict[str, Any]:
    """Charts over the tolerances, and a table for each measure and tolerance."""
    names = ranking(results)
    at = tolerances(results)
    tables = {
        f"{key}-{tolerance}": class_table(results, names, key, tolerance)
        for key in MEASURES
        for tolerance in reversed(at)
    }
    return {
        "charts": [drawn for key in MEASURES if (drawn := chart(results, names, key))],
        "tables": tables,
        "choices": {key: table.title for key, table in tables.items()},
        "tolerances": at,
        "size": usual_size(results),
        "said": said(results, names),
    }


def tolerances(results: Results) -> list[str]:
    """The tolerances of all runs in pixels, in ascending order."""
    sets = [set(run.metrics["test"]["boundary"]) for runs in results.runs.values() for run in runs]
    return sorted(set.intersection(*sets), key=float)


def chart(results: Results, names: list[str], key: str) -> Chart | None:
    """One measure by tolerance and architecture."""
    groups = {
        f"within {pixels(tolerance)}": {
            name: over_seeds(results.runs[name], "test", "boundary", tolerance, key) for name in names
        }
        for tolerance in tolerances(results)
    }
    return dots(groups, names, list(results.runs), MEASURES[key], "the mean over the classes; 1 is best")


def class_table(results: Results, names: list[str], key: str, tolerance: str) -> Table:
    """One measure at one tolerance, class by class."""

    def cells(*keys: str) -> list[tuple[Figure, bool]]:
        figures = [over_seeds(results.runs[name], "test", "boundary", tolerance, *keys) for name in names]
        best = best_of(CATALOGUE["boundary_f1"], figures)
        return [(figure, bool(best) and as_shown(figure) == best) for figure in figures]

    lines = [Line(info.name, info.color, cells("classes", info.name, key)) for info in results.header.classes]
    return Table(f"{MEASURES[key].removeprefix('Boundary ')}, {pixels(tolerance)}", cells(key), lines)


def usual_size(results: Results) -> tuple[int, int] | None:
    """The most common width and height of the test images; None without any."""
    sizes = Counter((sample.width, sample.height) for sample in read_split(results.data, "test"))
    return min(sizes, key=lambda size: (-sizes[size], size)) if sizes else None


def said(results: Results, names: list[str]) -> dict[str, Any] | None:
    """Who scores highest at the largest tolerance, its scores at the smallest too, and its hardest classes."""
    at = tolerances(results)
    if not at:
        return None
    figures = {name: over_seeds(results.runs[name], "test", "boundary", at[-1], "f1") for name in names}
    top = best_of(CATALOGUE["boundary_f1"], figures.values())
    if top is None:
        return None
    highest = [name for name in names if as_shown(figures[name]) == top]
    runs = results.runs[highest[0]]
    by_class = {
        label: mean
        for label in results.header.names()
        if (mean := as_shown(over_seeds(runs, "test", "boundary", at[-1], "classes", label, "f1"))) is not None
    }
    least = min(by_class.values())
    parts = ("f1", "precision", "recall")
    return {
        "best": highest[0],
        "as_good": listed(highest[1:]),
        "near": at[0],
        "far": at[-1],
        "at_near": {part: over_seeds(runs, "test", "boundary", at[0], part).mean for part in parts},
        "at_far": {part: over_seeds(runs, "test", "boundary", at[-1], part).mean for part in parts},
        "hardest": ([label for label in by_class if by_class[label] == least], least) if len(by_class) > 1 else None,
    }


def pixels(tolerance: str) -> str:
    """A tolerance in words."""
    return f"{tolerance} pixel{'' if tolerance == '1' else 's'}"
