"""Reads the results of earlier stages: the data cards, and the numbers and curves of each architecture and seed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelproof.core.errors import StateError
from pixelproof.core.files import read_json
from pixelproof.data.dataset import SPLITS, Header, read_header
from pixelproof.data.folds import folder_of
from pixelproof.scoring.catalogue import CATALOGUE
from pixelproof.scoring.matrices import Matrices, read_matrices
from stages.report.params import Params

Point = tuple[int, float]  # iteration, value
EVALUATED = ("test", "val")  # in the order in which they are shown


@dataclass(frozen=True)
class Run:
    """One architecture trained from one seed."""

    seed: int
    folder: Path  # results/<architecture>/<seed>
    weights: tuple[Path, ...]  # with folds, one file for each
    metrics: dict[str, Any]
    curves: dict[str, list[Point]]
    calibration: dict[str, Any]
    cost: dict[str, Any]  # evaluate/cost.json
    matrices: dict[str, Matrices]
    measured: dict[str, Any]  # measure/summary.json
    landing: dict[str, Any]

    def number(self, *keys: str) -> float | None:
        """A number of metrics.json by its key path; None if it is undefined."""
        value: Any = self.metrics
        for key in keys:
            value = value[key]
        return None if value is None else float(value)


@dataclass(frozen=True)
class Results:
    """All that a report shows, except images."""

    root: Path  # the folder that contains results/ and data/
    params: Params
    header: Header
    cards: dict[str, dict[str, Any]]  # by split
    runs: dict[str, list[Run]]  # by architecture, in the order of params; seeds too

    @property
    def title(self) -> str:
        """The name of the data: its sources, else its own name."""
        return " + ".join(source["name"] for source in self.header.sources if "name" in source) or self.header.name

    @property
    def seeds(self) -> list[int]:
        """The seeds that every architecture was trained from."""
        return self.params.train.seeds

    @property
    def folds(self) -> int:
        """How many folds train and val were divided into; 0 without."""
        return len(self.cards["val"].get("folds", []))

    @property
    def validated(self) -> str:
        """What a score on val is called."""
        return "out of fold" if self.folds else "validation"

    @property
    def data(self) -> Path:
        """The dataset that the networks were trained and tested on."""
        return self.root / "data/prepared"


def gather(root: Path, params: Params) -> Results:
    """Read the results of the architectures and seeds that params name, and only those."""
    header = read_header(root / "data/prepared")
    cards = {split: _json(root / "results/data" / f"{split}.json", ["images", "groups", "classes"]) for split in SPLITS}
    folds = [one["fold"] for one in cards["val"].get("folds", [])]
    runs = {
        name: [read_run(root, name, seed, header, folds) for seed in params.train.seeds]
        for name in params.architectures
    }
    return Results(root, params, header, cards, runs)


def read_run(root: Path, architecture: str, seed: int, header: Header, folds: Sequence[int] = ()) -> Run:
    """The numbers and curves of one run, which must have the same classes as the data."""
    folder, models = (root / name / architecture / str(seed) for name in ("results", "models"))
    path = folder / "evaluate/metrics.json"
    metrics = _json(path, EVALUATED)
    for split in EVALUATED:
        found = metrics[split]
        if not found.keys() >= needed() or sorted(found["classes"]) != sorted(header.names()):
            raise _stale(path, f"classes other than those of data/prepared, or missing numbers, in {split!r}")
    return Run(
        seed=seed,
        folder=folder,
        weights=tuple(folder_of(models, fold) / "weights.safetensors" for fold in folds or (None,)),
        metrics=metrics,
        curves=read_curves(folder / "train/curves.csv"),
        calibration=_json(folder / "evaluate/calibration.json", EVALUATED),
        cost=_json(folder / "evaluate/cost.json", ["parameters", "flops", "height", "width"]),
        matrices=read_matrices(folder / "evaluate/matrices.parquet", len(header.classes)),
        measured=_json(folder / "measure/summary.json", ["classes"]),
        landing=_json(folder / "measure/landing.json", ["asked"]),
    )


def needed() -> set[str]:
    """The keys that a split of metrics.json must have."""
    every = {"classes" if metric.per_class else metric.keys[0] for metric in CATALOGUE.values()}
    return every | {"intervals"}


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
