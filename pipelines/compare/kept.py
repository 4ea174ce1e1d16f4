"""Whether metrics/ and tables/ hold what the results give and nothing else: files, keys and rows.

Which these are is a matter of code. So it is asked only where the revision computes and reports by the same code as
this folder: another catalogue of metrics is no forgery, and is shown as changed code.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from pipelines.compare.runs import SPLITS, Runs, Seeds, evaluated
from pipelines.compare.store import Outputs
from pipelines.dvc.revision import WORKSPACE, Revision
from pixelproof.scoring.catalogue import headlines, in_tables
from pixelproof.scoring.counts import counts
from pixelproof.scoring.scores import scores

WRITERS = ("pixelproof/scoring", "stages/report")  # the code that decides which numbers are kept
TABLES, PER_CLASS = "tables", "tables/per_class.csv"
KEYS = ["architecture", "split", "class"]
ROUNDED = 1e-6  # metrics/ and tables/ have six decimals
Table = dict[tuple[str, ...], list[str]]  # architecture, split and class -> the cells after them


def is_own_code(side: Revision) -> bool:
    """Whether a revision's metrics/ and tables/ are written by the code of this folder."""
    here = Revision(WORKSPACE, None)
    return all(side.files(folder) == here.files(folder) for folder in WRITERS)


def wrong_metrics(stated: Mapping[str, Mapping[str, Any]], outputs: Outputs) -> list[str]:
    """A line for each file of metrics/ that is missing or of no network here, and for each key too many or too few."""
    names = evaluated(outputs).keys()
    if not names:
        return []  # nothing is known of its results
    lines = [f"metrics/{name}.json: no such file, although dvc.lock has its results" for name in names - stated.keys()]
    lines += [f"metrics/{name}.json: of a network without results" for name in stated.keys() - names]
    if is_own_code(outputs.side):
        wanted = {f"{split}.{metric.name}" for split in SPLITS for metric in headlines()}
        for name in names & stated.keys():
            lines += [f"metrics/{name}.json: {key} is missing" for key in wanted - stated[name].keys()]
            lines += [
                f"metrics/{name}.json: {key} is no number that report writes" for key in stated[name].keys() - wanted
            ]
    return sorted(lines)


def wrong_tables(outputs: Outputs, runs: Runs) -> list[str]:
    """A line for each table that is missing or not report's, and for each cell that the matrices contradict."""
    side = outputs.side
    known = bool(evaluated(outputs)) and is_own_code(side)
    if not known or (TABLES not in outputs.lock.outs and not side.files(TABLES)):
        return []
    lines = [f"{path}: no table that report writes" for path in side.files(TABLES) if path != PER_CLASS]
    text = side.read(PER_CLASS)
    if text is None:
        return [*lines, f"{PER_CLASS}: no such file"]
    return lines + _per_class(text, outputs, runs)


def _per_class(text: str, outputs: Outputs, runs: Runs) -> list[str]:
    metrics = [metric.name for metric in in_tables(per_class=True)]
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError):
        header, rows = [], []
    found: Table = {tuple(row[: len(KEYS)]): row[len(KEYS) :] for row in rows}
    if header != [*KEYS, *metrics] or len(found) < len(rows) or any(len(row) != len(header) for row in rows):
        return [f"{PER_CLASS}: not a table of {', '.join([*KEYS, *metrics])} with each class once"]
    names = evaluated(outputs)
    lines = [f"{PER_CLASS}: {'/'.join(key)} is of a network without results" for key in found if key[0] not in names]
    for name, seeds in runs.found.items():
        given = _given(name, seeds, metrics, runs.classes.names if runs.classes else ())
        own = {key: cells for key, cells in found.items() if key[0] == name}
        lines += [f"{PER_CLASS}: {'/'.join(key)} is missing" for key in given if key not in own]
        lines += [f"{PER_CLASS}: {'/'.join(key)} is of no class of the data" for key in own if key not in given]
        for key in own.keys() & given.keys():
            cells = zip(metrics, own[key], given[key], strict=True)
            lines += [
                f"{PER_CLASS}: {'/'.join(key)}: {metric} is {stated or 'empty'}, but the matrices give {_said(value)}"
                for metric, stated, value in cells
                if not _agree(stated, value)
            ]
    return sorted(lines)


def _given(
    name: str, seeds: Seeds, metrics: list[str], classes: tuple[str, ...]
) -> dict[tuple[str, ...], list[float | None]]:
    """The rows of a network: the means over its seeds of what is defined."""
    rows: dict[tuple[str, ...], list[float | None]] = {}
    for split in SPLITS:
        found = [scores(counts(of[split].counts.sum(axis=0)), metrics) for of in seeds.values() if split in of]
        for at, label in enumerate(classes):  # without images of a split all is undefined
            rows[name, split, label] = [mean_of([float(of[metric][at]) for of in found]) for metric in metrics]
    return rows


def mean_of(values: list[float]) -> float | None:
    """The mean of the values that are not NaN; None if all are."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else None


def _agree(stated: str, value: float | None) -> bool:
    if value is None or not stated:
        return value is None and not stated
    try:
        return abs(float(stated) - value) <= ROUNDED
    except ValueError:
        return False


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:.6f}"
