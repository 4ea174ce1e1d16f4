"""The confusion matrix of each architecture over the test split, and its largest mistakes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.report.figures import ranking
from stages.report.gather import Results, Run

TITLE = "Confusions"
ORDER = 40
GROUP = "Mistakes"
READABLE = 14  # with more classes than this, a cell is too small for a number: its colour and its tip show it
LETTERS = 90  # if the longest class name would take more than this in all columns, column heads are vertical
LEVELS = 20  # steps of colour: few enough that the page's style stays small
LISTED = 5
UNITS = {"truth": "% of the true class", "called": "% of the predicted class", "pixels": "pixels"}

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """The pixels of one class that were predicted as another, or correctly: their text and colour in each view."""

    count: int
    right: bool
    texts: tuple[str, ...]
    levels: tuple[int, ...]  # 0 to LEVELS


@dataclass(frozen=True)
class Mistake:
    """Pixels of one class that were predicted as another."""

    truth: str
    called: str
    pixels: int
    of_truth: float
    of_wrong: float
    at: tuple[int, int]  # the two classes by number


@dataclass(frozen=True)
class Matrix:
    """One architecture: its cells by true class, their sums, and its largest mistakes."""

    name: str
    cells: list[list[Cell]]
    true: list[int]  # pixels of each class
    called: list[int]  # pixels that were predicted as each class
    pixels: int
    wrong: int
    mistakes: list[Mistake]


def context(results: Results) -> dict[str, Any]:
    """A matrix for each architecture, the best first; none where the test split is empty."""
    labels = results.header.names()
    matrices = [
        matrix(name, pooled(results.runs[name], len(labels)), labels)
        for name in ranking(results)
        if pooled(results.runs[name], len(labels)).any()
    ]
    return {
        "matrices": matrices,
        "numbered": len(labels) <= READABLE,
        "upright": len(labels) * max(map(len, labels)) > LETTERS,
        "units": UNITS,
        "choices": {str(i): m.name for i, m in enumerate(matrices)},
        "levels": LEVELS,
        "linked": results.params.report.gallery > 0,
        "common": common(matrices),
    }


def pooled(runs: Sequence[Run], classes: int, split: str = "test") -> Counts:
    """Pixels by true class (rows) and predicted class (columns), over the images of a split and the seeds."""
    total = np.zeros((classes, classes), np.int64)
    for run in runs:
        if split in run.matrices:
            total += run.matrices[split].counts.sum(axis=0)
    return total


def matrix(name: str, counts: Counts, labels: Sequence[str]) -> Matrix:
    """What is shown of one architecture's pixels."""
    of_truth, of_called = divided(counts, counts.sum(axis=1, keepdims=True)), divided(counts, counts.sum(axis=0))
    shades = [levels(of_truth), levels(of_called), levels(counts / max(int(counts.max()), 1))]
    cells = [
        [
            Cell(
                int(count),
                row == column,
                (in_percent(of_truth[row, column]), in_percent(of_called[row, column]), compact(int(count))),
                tuple(int(shade[row, column]) for shade in shades),
            )
            for column, count in enumerate(line)
        ]
        for row, line in enumerate(counts)
    ]
    pixels, wrong = int(counts.sum()), int(counts.sum() - np.trace(counts))
    true, called = counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist()
    return Matrix(name, cells, true, called, pixels, wrong, mistakes(counts, labels))


def mistakes(counts: Counts, labels: Sequence[str]) -> list[Mistake]:
    """The largest ones by pixels; ties in the order of the matrix."""
    off = counts.copy()
    np.fill_diagonal(off, 0)
    largest = np.argsort(-off, axis=None, kind="stable")[:LISTED]
    pairs = [divmod(int(at), len(labels)) for at in largest]
    true, wrong = counts.sum(axis=1), int(off.sum())
    return [
        Mistake(
            labels[row],
            labels[column],
            int(off[row, column]),
            off[row, column] / true[row],
            off[row, column] / wrong,
            (row, column),
        )
        for row, column in pairs
        if off[row, column]
    ]


def common(matrices: Sequence[Matrix]) -> tuple[str, str, int] | None:
    """The mistake that is the largest for most architectures, and for how many; None if no two agree."""
    first = Counter((m.mistakes[0].truth, m.mistakes[0].called) for m in matrices if m.mistakes)
    if not first:
        return None
    (truth, called), times = min(first.items(), key=lambda item: (-item[1], item[0]))
    return (truth, called, times) if times > 1 else None


def divided(counts: Counts, totals: Counts) -> Shares:
    """Shares of the totals; NaN if the total is 0."""
    shares: Shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
    return shares


def levels(shares: Shares) -> Counts:
    """Steps of colour, by the square root of the share: a mistake of a few per cent should be visible."""
    steps: Counts = np.ceil(np.sqrt(np.nan_to_num(shares)) * LEVELS).astype(np.int64)
    return steps


def in_percent(share: float) -> str:
    """A share in per cent for a cell: no sign, and a small one is not shown as 0."""
    if math.isnan(share):
        return "\u2013"
    if share == 0:
        return "0"
    return "<0.1" if share < 0.001 else f"{share * 100:.1f}"


def compact(count: int) -> str:
    """A number of pixels in at most four digits: 12.3k."""
    for power, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= power:
            value = count / power
            return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"
    return str(count)
