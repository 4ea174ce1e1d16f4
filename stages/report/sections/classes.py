"""The classes: the scores of every architecture on each, on the test split, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pixelproof.scoring.catalogue import Metric, in_tables
from pixelproof.scoring.resampling import FEWEST
from stages.report.charts.chart import CLASS, EDGE, ROOM, Chart, draw, fitted, hue, plot, shape
from stages.report.figures import SHOWN, Figure, Span, as_shown, best_of, listed, over_seeds, ranking
from stages.report.gather import Results
from stages.report.markdown import ranged

TITLE = "Classes"
ORDER = 30
GROUP = "Networks"
HEATS = 25  # shades of a cell
ROW = 24  # pixels of a class in the chart


@dataclass(frozen=True)
class Cell:
    """One class of one architecture: the score, its interval in words, and whether it is the best."""

    figure: Figure
    range: str
    best: bool
    less: bool  # whether lower is better

    @property
    def heat(self) -> float:
        """How strongly the cell is coloured, in per cent: squared, so that weak classes stand out."""
        mean = min(max(self.figure.mean or 0.0, 0.0), 1.0)
        return round((1 - mean if self.less else mean) ** 2 * HEATS) * 100 / HEATS


@dataclass(frozen=True)
class ClassLine:
    """One class over the architectures."""

    name: str
    color: tuple[int, int, int]
    share: float | None
    cells: list[Cell]


def context(results: Results) -> dict[str, Any]:
    """A table for each score, a chart of IoU, and what it shows in words."""
    scores = in_tables(per_class=True)
    tables = {metric.name: lines(results, metric) for metric in scores}
    return {
        "scores": scores,
        "intervals": results.runs[ranking(results)[0]][0].metrics["test"]["intervals"],
        "fewest": FEWEST,
        "tables": tables,
        "chart": chart(tables["iou"], ranking(results), list(results.runs)),
        "facts": facts(tables["iou"], ranking(results)),
    }


def lines(results: Results, metric: Metric) -> list[ClassLine]:
    """The classes in their order, each with its score for every architecture, the best one first."""
    shares = {c["name"]: c["share"] for c in results.cards["test"]["classes"]}
    found = []
    for info in results.header.classes:
        keys = ("classes", info.name, *metric.keys)
        runs = [results.runs[name] for name in ranking(results)]
        figures = [over_seeds(each, "test", *keys) for each in runs]
        best = best_of(metric, figures)
        worth = bool(best) or metric.better == "lower"  # a score of 0 is nobody's best
        cells = [
            Cell(figure, ranged(each, "test", *keys), worth and as_shown(figure) == best, metric.better == "lower")
            for each, figure in zip(runs, figures, strict=True)
        ]
        found.append(ClassLine(info.name, info.color, shares.get(info.name), cells))
    return found


def chart(table: list[ClassLine], names: list[str], order: list[str]) -> Chart | None:
    """A line for each class with a mark for each architecture; what the first is best at on top."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    for line in sorted(table, key=lambda line: (-(line.cells[0].figure.mean or 0.0), line.name)):
        means = [cell.figure.mean for cell in line.cells if cell.figure.mean is not None]
        for name, cell in zip(names, line.cells, strict=True):
            if cell.figure.mean is not None:
                sure = f" ({cell.range})" if cell.range else ""
                tip = f"{line.name}, {name}: {cell.figure.mean:.3f}{sure}"
                rows.append({"class": line.name, "architecture": name, "iou": cell.figure.mean, "tip": tip})
                rows[-1] |= {"low": min(means), "high": max(means)}
    if not rows:
        return None
    classes = list(dict.fromkeys(row["class"] for row in rows))
    low = max(0.0, min(row["iou"] for row in rows) - 0.05)
    step = 1 if low > 0.5 else 2
    ticks = [tenth / 10 for tenth in range(0, 11, step) if tenth / 10 >= low]
    scale = alt.Scale(domain=(low, 1.0), nice=False, padding=EDGE)
    names_axis = alt.Axis(labelLimit=CLASS, labelColor="var(--ink)", domain=False, ticks=False, grid=True)
    base = plot(rows, width=ROOM, height=max(ROW * len(classes), 80)).encode(
        y=alt.Y("class:N", sort=classes, title=None, axis=names_axis),
        color=hue(order, field="architecture", type="nominal"),
        description="tip:N",
    )

    def across(field: str) -> Any:
        return alt.X(f"{field}:Q", title="IoU", scale=scale, axis=alt.Axis(values=ticks, grid=False))

    spans = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        x=across("low"), x2="high:Q", color=alt.value("var(--muted)")
    )
    marks = base.mark_point(filled=True, size=100, opacity=1, stroke="var(--card)", strokeWidth=1).encode(
        x=across("iou"), shape=shape(order, field="architecture", type="nominal")
    )
    numbers = [[row["class"], row["architecture"], f"{row['iou']:.3f}"] for row in rows]
    label = f"IoU of {len(classes)} classes for {', '.join(names)}, from {classes[0]} down to {classes[-1]}"
    note = f"the line joins worst and best; sorted by {names[0]}" if len(names) > 1 else "the best class on top"
    layers = (spans if len(names) > 1 else base.mark_rule(opacity=0).encode(x=across("iou"))) + marks
    return draw(fitted(layers), "IoU of each class", note, label, ["class", "architecture", "IoU"], numbers)


def facts(table: list[ClassLine], names: list[str]) -> list[tuple[str, str, str]]:
    """What the chart shows, in words: a question, its answer, and the number behind it. What looks equal is a tie."""
    known = [line for line in table if line.cells[0].figure.mean is not None]
    if not known:
        return []
    first = names[0]
    found = []
    means = [as_shown(line.cells[0].figure) or 0.0 for line in known]
    for what, end in (("Hardest", min(means)), ("Easiest", max(means)))[: len(set(means))]:
        those = [line.name for line, mean in zip(known, means, strict=True) if mean == end]
        found.append((f"{what} class{'es' * (len(those) > 1)}", listed(those), f"{end:.{SHOWN}f} by {first}"))
    if len(names) > 1:
        line = max(known, key=lambda line: ends(line)[1] - ends(line)[0])
        low, high = ends(line)
        found.append(("Where networks differ most", line.name, f"{low:.3f} to {high:.3f}"))
        found.append((f"{first} scores highest in", *lead(known, names)))
    return found


def lead(known: list[ClassLine], names: list[str]) -> tuple[str, str]:
    """In how many classes the first network alone scores highest, and who does in the others; a 0 leads nowhere."""
    leaders = {line.name: [name for name, cell in zip(names, line.cells, strict=True) if cell.best] for line in known}
    single = {label: found[0] for label, found in leaders.items() if len(found) == 1}
    alone = [label for label, name in single.items() if name == names[0]]
    parts = []
    if others := [f"{label} ({name})" for label, name in single.items() if name != names[0]]:
        parts.append(f"another does in {listed(others)}")
    if ties := [label for label, found in leaders.items() if len(found) > 1]:
        parts.append(f"a tie in {listed(ties)}")
    if never := [label for label, found in leaders.items() if not found]:
        parts.append(f"no network finds {listed(never)}")
    return f"{len(alone)} of {len(known)} classes", "; ".join(parts)


def ends(line: ClassLine) -> Span:
    """The worst and the best score of a class."""
    means = [cell.figure.mean for cell in line.cells if cell.figure.mean is not None]
    return min(means), max(means)
