"""reports/index.html: one page that needs nothing but itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.report.charts import Chart, line_chart
from stages.report.figures import Figure, over_seeds, ranking
from stages.report.gallery import Row
from stages.report.gather import MEASURES, Matrix, Results
from stages.report.markdown import shown

TEMPLATES = Path(__file__).parent / "templates"
HUES = 8  # colours that style.css has for architectures; more architectures share them
MIXED_UP = 3  # the largest confusions that are told in words


@dataclass(frozen=True)
class Entry:
    """One architecture of the comparison."""

    name: str
    hue: int
    test: dict[str, Figure]
    val: Figure


@dataclass(frozen=True)
class ClassLine:
    """One class over the architectures: IoU on test, and which are the best."""

    name: str
    color: tuple[int, int, int]
    share: float | None
    cells: list[tuple[Figure, bool]]


@dataclass(frozen=True)
class Confusion:
    """One architecture's matrix as shares of each true class, and what it mixes up most: (share, truth, instead)."""

    name: str
    hue: int
    shares: list[list[float | None]]
    mixed_up: list[tuple[float, str, str]]


def render(results: Results, rows: list[Row], matrices: dict[str, Matrix]) -> str:
    """The page, every text in it escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = shown
    environment.filters["percent"] = percent
    return environment.get_template("index.html").render(context(results, rows, matrices))


def context(results: Results, rows: list[Row], matrices: dict[str, Matrix]) -> dict[str, Any]:
    """What the template is given."""
    hues = {name: i % HUES for i, name in enumerate(results.runs)}
    names = ranking(results)
    return {
        "title": results.title,
        "header": results.header,
        "cards": results.cards,
        "measures": MEASURES,
        "seeds": [run.seed for run in results.runs[names[0]]],
        "hues": hues,
        "entries": [entry(results, name, hues[name]) for name in names],
        "classes": class_lines(results, names),
        "charts": charts(results),
        "rows": rows,
        "confusions": [confusion(name, hues[name], matrices[name], results.header.names()) for name in names],
    }


def entry(results: Results, name: str, hue: int) -> Entry:
    """An architecture's figures."""
    runs = results.runs[name]
    return Entry(name, hue, {key: over_seeds(runs, "test", key) for key in MEASURES}, over_seeds(runs, "val", "mIoU"))


def class_lines(results: Results, names: list[str]) -> list[ClassLine]:
    """The classes in their order, each with its IoU for every architecture."""
    shares = {c["name"]: c["share"] for c in results.cards["test"]["classes"]}
    lines = []
    for info in results.header.classes:
        figures = [over_seeds(results.runs[name], "test", "classes", info.name, "iou") for name in names]
        best = max((figure.mean or 0.0 for figure in figures), default=0.0)
        cells = [(figure, best > 0 and figure.mean == best) for figure in figures]
        lines.append(ClassLine(info.name, info.color, shares.get(info.name), cells))
    return lines


def charts(results: Results) -> list[Chart]:
    """Validation mIoU and training loss, a line for each run."""

    def lines(curve: str) -> list[tuple[str, int, list[tuple[int, float]]]]:
        return [(name, run.seed, run.curves.get(curve, [])) for name, runs in results.runs.items() for run in runs]

    return [
        line_chart("Validation mIoU", "higher is better; the best is kept", lines("val/mIoU")),
        line_chart("Training loss", "lower is better", lines("train/loss"), floor=0),
    ]


def confusion(name: str, hue: int, matrix: Matrix, names: list[str]) -> Confusion:
    """Rows of a matrix as shares of their true class."""
    sums = matrix.sum(axis=1)
    shares = [[int(n) / int(whole) if whole else None for n in row] for row, whole in zip(matrix, sums, strict=True)]
    mixed = [
        (share, names[truth], names[instead])
        for truth, row in enumerate(shares)
        for instead, share in enumerate(row)
        if share and instead != truth
    ]
    return Confusion(name, hue, shares, sorted(mixed, key=lambda found: -found[0])[:MIXED_UP])


def percent(share: float | None, digits: int = 0) -> str:
    """A share in per cent; a small one is not shown as none."""
    if share is None:
        return "absent"
    least = 10.0**-digits
    value = share * 100
    text = f"< {least:g}" if 0 < value < least else f"{value:.{digits}f}"
    return text + "\u00a0%"  # a space that no line breaks at
