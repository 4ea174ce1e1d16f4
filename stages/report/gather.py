"""Reads what the stages before left: the data card, and for each architecture and seed its numbers and curves."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.dataset import SPLITS, Header, read_header
from stages.errors import StateError
from stages.files import read_json

Point = tuple[int, float]  # iteration, value
Matrix = NDArray[np.int64]
EVALUATED = ("test", "val")  # in the order in which they are shown
MEASURES = {
    "mIoU": "mIoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


@dataclass(frozen=True)
class Run:
    """One architecture trained from one seed."""

    seed: int
    folder: Path  # what evaluate wrote
    metrics: dict[str, Any]
    curves: dict[str, list[Point]]

    def number(self, *keys: str) -> float | None:
        """A number of metrics.json by its key path; None where the split could not tell."""
        value: Any = self.metrics
        for key in keys:
            value = value[key]
        return None if value is None else float(value)


@dataclass(frozen=True)
class Results:
    """All that a report shows but the images."""

    header: Header
    cards: dict[str, dict[str, Any]]  # by split
    runs: dict[str, list[Run]]  # by architecture, in the order of params; seeds too

    @property
    def title(self) -> str:
        """What the data is called: its sources, else its own name."""
        return " + ".join(source["name"] for source in self.header.sources if "name" in source) or self.header.name


def gather(root: Path, architectures: list[str], seeds: list[int]) -> Results:
    """Read the results of these architectures and seeds, and only those."""
    header = read_header(root / "data/prepared")
    cards = {split: _json(root / "results/data" / f"{split}.json", ["images", "groups", "classes"]) for split in SPLITS}
    runs = {name: [read_run(root / "results", name, seed, header) for seed in seeds] for name in architectures}
    return Results(header, cards, runs)


def read_run(results: Path, architecture: str, seed: int, header: Header) -> Run:
    """The numbers and curves of one run, which must be of the same classes as the data."""
    run = results / architecture / str(seed)
    path = run / "evaluate/metrics.json"
    metrics = _json(path, EVALUATED)
    for split in EVALUATED:
        needed = {*MEASURES, "classes", "boundary", "sizes", "calibration"}
        if not needed <= set(metrics[split]) or sorted(metrics[split]["classes"]) != sorted(header.names()):
            raise _stale(path, f"numbers of other classes than data/prepared has, or not all of them, in {split!r}")
    return Run(seed, run / "evaluate", metrics, read_curves(run / "train/curves.csv"))


def read_curves(path: Path) -> dict[str, list[Point]]:
    """The curves of a run by name, from rows of iteration, name and value."""
    curves: dict[str, list[Point]] = {}
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                curves.setdefault(row["name"], []).append((int(row["iteration"]), float(row["value"])))
    except FileNotFoundError:
        raise _stale(path, "no such file") from None
    except (KeyError, ValueError, TypeError) as error:
        raise _stale(path, f"not rows of iteration, name and value ({type(error).__name__}: {error})") from None
    return curves


def read_matrices(run: Run, split: str) -> dict[str, list[tuple[int, int, int]]]:
    """The confusion matrix of each image of a split, as (truth, prediction, count)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.folder / "matrices.parquet"
    try:
        columns = ["id", "truth", "prediction", "count"]
        table = pq.read_table(path, columns=columns, filters=[("split", "==", split)], partitioning=None)
    except FileNotFoundError:
        raise _stale(path, "no such file") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise _stale(path, f"not the table that evaluate writes ({error})") from None
    images: dict[str, list[tuple[int, int, int]]] = {}
    for name, *cell in zip(*(table[column].to_pylist() for column in columns), strict=True):
        images.setdefault(name, []).append((cell[0], cell[1], cell[2]))
    return images


def total(images: dict[str, list[tuple[int, int, int]]], classes: int) -> Matrix:
    """One matrix over all images."""
    matrix = np.zeros((classes, classes), np.int64)
    for cells in images.values():
        for truth, prediction, count in cells:
            matrix[truth, prediction] += count
    return matrix


def _json(path: Path, keys: list[str] | tuple[str, ...]) -> dict[str, Any]:
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise _stale(path, "no such file") from None
    except ValueError as error:
        raise _stale(path, f"not JSON ({error})") from None
    if not isinstance(content, dict) or any(key not in content for key in keys):
        raise _stale(path, f"not an object with {', '.join(keys)}")
    return content


def _stale(path: Path, found: str) -> StateError:
    return StateError(str(path), found, "run `dvc repro`")
