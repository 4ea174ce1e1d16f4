"""Reads and judges the table of classes that git keeps with the metrics."""

from __future__ import annotations

import csv
from io import StringIO

from pipelines.dvc.revision import Revision
from pipelines.verify.certificate import Judged, Metrics, judge
from pixelproof.core.errors import StateError

TABLES = ("tables/per_class.csv", "metrics/per_class.csv")  # here, and in revisions before the move
ROW = ["architecture", "split", "class"]  # its first columns; the others are metrics


def judge_classes(judged: list[Judged], committed: Metrics, rebuilt: Metrics) -> list[Judged]:
    """Every number of the table, which must be identical where all other metrics of the network are.

    Where those are not, as on another processor, small classes may be further apart than a tolerance for means allows:
    the table is then no evidence, and is left out.
    """
    other = {row.architecture for row in judged if row.outcome != "identical"}
    before, after = ({arch: side[arch] for arch in side.keys() - other} for side in (committed, rebuilt))
    return judge(before, after, tolerance=0)


def classes_of(side: Revision) -> Metrics:
    """`architecture -> {test.classes.road.iou: 0.9}`; an empty cell is None. Empty if there is no table.

    Raises:
        StateError: the table is not in the form that the stage `report` writes.
    """
    found: Metrics = {}
    table, text = next(((path, text) for path in TABLES if (text := side.read(path)) is not None), ("", None))
    if text is None:
        return found
    try:
        header, *rows = csv.reader(StringIO(text), strict=True)
        if header[: len(ROW)] != ROW:
            raise ValueError(f"its first columns are not {', '.join(ROW)}")
        for arch, split, label, *cells in rows:
            values = found.setdefault(arch, {})
            for metric, cell in zip(header[len(ROW) :], cells, strict=True):
                key = f"{split}.classes.{label}.{metric}"
                if key in values:
                    raise ValueError(f"{arch}, {split}, {label} is there twice")
                values[key] = float(cell) if cell else None
    except (ValueError, csv.Error) as error:
        what = f"cannot be read ({error})"
        raise StateError(f"{side.name}: {table}", what, "write it again with `dvc repro`") from None
    return found
