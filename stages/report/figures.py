"""The figures that are shown and kept, from the runs: means over seeds, headline numbers, tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pixelproof.scoring.catalogue import Metric, headlines, in_tables
from stages.report.gather import EVALUATED, Point, Results, Run

PER_CLASS = [metric.name for metric in in_tables(per_class=True)]
DIGITS = 6
SHOWN = 3  # digits of a score on the page
MINUS = "\u2212"
TOO_FEW = "too few groups for an interval"
BINS = 120  # more points than this are averaged, so that the loss of a long run is a line and not a cloud


Span = tuple[float, float]


class Confusion(NamedTuple):
    """Pixels of one class that are mistaken for another."""

    truth: str
    prediction: str
    pixels: int
    share: float  # of the pixels of the true class


@dataclass(frozen=True)
class Figure:
    """A number over the seeds. Seeds for which it is undefined are left out; without any left, the mean is None."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean over the seeds."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation over the seeds; None for fewer than two."""
        if self.mean is None or len(self.values) < 2:
            return None
        squares = sum((value - self.mean) ** 2 for value in self.values)
        return float((squares / (len(self.values) - 1)) ** 0.5)


def over_seeds(runs: list[Run], *keys: str) -> Figure:
    """One number of metrics.json over the runs of an architecture."""
    return Figure(tuple(value for run in runs if (value := run.number(*keys)) is not None))


def figure_of(metric: Metric, runs: list[Run], split: str) -> Figure:
    """A metric of the catalogue over the runs of an architecture."""
    return over_seeds(runs, split, *keys_of(metric, runs))


def keys_of(metric: Metric, runs: list[Run]) -> tuple[str, ...]:
    """The keys of a metric in a split of metrics.json; of several boundary tolerances, the widest."""
    return tuple(tolerances(runs)[-1] if key == "*" else key for key in metric.keys)


def tolerances(runs: list[Run]) -> list[str]:
    """The boundary tolerances of evaluate in pixels, in ascending order."""
    return sorted(runs[0].metrics[EVALUATED[0]]["boundary"], key=float)


def best_of(metric: Metric, figures: Iterable[Figure]) -> float | None:
    """The best of the means by the metric's direction, as it is shown; None if there are none."""
    means = [mean for figure in figures if (mean := as_shown(figure)) is not None]
    return (min if metric.better == "lower" else max)(means, default=None)


def as_shown(figure: Figure) -> float | None:
    """A mean with the digits that people see: what looks equal to them is a tie."""
    return None if figure.mean is None else round(figure.mean, SHOWN)


def span(runs: list[Run], split: str, *keys: str) -> Span | None:
    """The range of a score: for several seeds the mean ± their deviation, for one its interval over groups."""
    figure = over_seeds(runs, split, *keys)
    if figure.mean is not None and figure.deviation is not None:
        return figure.mean - figure.deviation, figure.mean + figure.deviation
    found = _kept(runs, split, *keys)
    return (float(found[0]), float(found[1])) if found else None


def too_few(runs: list[Run], split: str, *keys: str) -> bool:
    """Whether a score of a single run has no interval, although evaluate gives it one where enough groups hold it."""
    return over_seeds(runs, split, *keys).mean is not None and _kept(runs, split, *keys) is None


def _kept(runs: list[Run], split: str, *keys: str) -> Any:
    """What a single run keeps as a score's interval, which is None with too few groups; False if nothing is kept."""
    found: Any = runs[0].metrics[split]["intervals"] if len(runs) == 1 else {}
    for key in keys:
        found = found.get(key, False) if isinstance(found, dict) else False
    return found


def front(points: dict[str, tuple[float, float]]) -> list[str]:
    """The Pareto front of points (cost, score), the cheapest first.

    No other point is at least as good in both, and better in one.
    """

    def beaten(cost: float, score: float) -> bool:
        return any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points.values())

    return sorted((name for name in points if not beaten(*points[name])), key=lambda name: (points[name], name))


def confusions(results: Results, name: str) -> list[Confusion]:
    """Which class of the test split is mistaken for which, over all seeds; those of the most pixels first."""
    stored = [run.matrices["test"].counts for run in results.runs[name] if "test" in run.matrices]
    labels = results.header.names()
    total = sum((counts.sum(axis=0) for counts in stored), np.zeros((len(labels), len(labels)), np.int64))
    found = [
        Confusion(labels[t], labels[p], int(total[t, p]), float(total[t, p] / total[t].sum()))
        for t, p in zip(*np.nonzero(total), strict=True)
        if t != p
    ]
    return sorted(found, key=lambda one: (-one.pixels, one.truth, one.prediction))


def ranking(results: Results, split: str = "test") -> list[str]:
    """The architectures from the best mIoU on a split to the worst; those without one last, ties by name."""

    def order(name: str) -> tuple[bool, float, str]:
        mean = over_seeds(results.runs[name], split, "mIoU").mean
        return (mean is None, -(mean or 0.0), name)

    return sorted(results.runs, key=order)


def headline(runs: list[Run]) -> dict[str, Any]:
    """The content of metrics/<architecture>.json: only the catalogue's headlines, so that a diff stays short."""
    return {
        split: {metric.name: rounded(figure_of(metric, runs, split).mean) for metric in headlines()}
        for split in EVALUATED
    }


def rounded(value: float | None) -> float | None:
    """A number as it is kept: enough digits for differences that matter, and none for noise."""
    return None if value is None else round(value, DIGITS)


def per_class_csv(results: Results) -> str:
    """Every class of every architecture and split as CSV; undefined scores are empty cells."""
    import pandas as pd

    rows = [
        [name, split, label, *(rounded(over_seeds(runs, split, "classes", label, key).mean) for key in PER_CLASS)]
        for name, runs in results.runs.items()
        for split in EVALUATED
        for label in results.header.names()
    ]
    frame = pd.DataFrame(rows, columns=["architecture", "split", "class", *PER_CLASS])
    return frame.to_csv(index=False, lineterminator="\n")


def mean_curve(curves: list[list[Point]]) -> dict[int, float]:
    """The mean over the seeds at each iteration that any of them has."""
    values: dict[int, list[float]] = {}
    for curve in curves:
        for iteration, value in curve:
            values.setdefault(iteration, []).append(value)
    return {iteration: sum(found) / len(found) for iteration, found in values.items()}


def binned(points: list[Point]) -> list[Point]:
    """At most BINS points, all of them finite: means of neighbours, at the last iteration of each."""
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    step = max(math.ceil(len(finite) / BINS), 1)
    groups = [finite[i : i + step] for i in range(0, len(finite), step)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as in a sentence: `a, b and c`; of many, only the first."""
    shown, more = list(names[:most]), len(names) - most
    if more > 0:
        shown.append(f"{more} more")
    *first, last = shown or [""]
    return f"{', '.join(first)} and {last}" if first else last
