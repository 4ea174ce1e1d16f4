"""The classes: IoU on the test split, for every architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.report.figures import Figure, over_seeds, ranking
from stages.report.gather import Results

TITLE = "Classes"


@dataclass(frozen=True)
class ClassLine:
    """One class over the architectures: IoU on test, and which are the best."""

    name: str
    color: tuple[int, int, int]
    share: float | None
    cells: list[tuple[Figure, bool]]


def context(results: Results) -> dict[str, Any]:
    """The classes in their order, each with its IoU for every architecture."""
    names = ranking(results)
    shares = {c["name"]: c["share"] for c in results.cards["test"]["classes"]}
    lines = []
    for info in results.header.classes:
        figures = [over_seeds(results.runs[name], "test", "classes", info.name, "iou") for name in names]
        best = max((figure.mean or 0.0 for figure in figures), default=0.0)
        cells = [(figure, best > 0 and figure.mean == best) for figure in figures]
        lines.append(ClassLine(info.name, info.color, shares.get(info.name), cells))
    return {"lines": lines}
