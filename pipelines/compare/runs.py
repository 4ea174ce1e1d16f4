"""The stored per-image matrices of both revisions, over one list of classes and one list of images."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipelines.compare.labels import Classes, DataChange, read_classes
from pipelines.compare.store import Outputs
from pipelines.dvc.revision import flatten
from pixelproof.scoring.matrices import Matrices, read_matrices

SPLITS = ("val", "test")
EVALUATED = re.compile(r"results/([^/]+)/(\d+)/evaluate")
MATRICES = "matrices.parquet"
Seeds = dict[int, dict[str, Matrices]]  # seed -> split -> matrices


@dataclass(frozen=True)
class Runs:
    """By architecture, the matrices of each seed and split; `lacking` names those that are not available."""

    classes: Classes | None
    found: dict[str, Seeds] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()


def evaluated(outputs: Outputs) -> dict[str, list[int]]:
    """`architecture -> seeds` that a revision evaluated: in its dvc.lock (or on disk), and in its params."""
    params = flatten(outputs.side.mapping("params.yaml") or {})
    names, seeds = (params.get(key) for key in ("architectures", "train.seeds"))
    found: dict[str, list[int]] = {}
    for path in sorted({*outputs.lock.outs, *outputs.on_disk("results/*/*/evaluate")}):
        match = EVALUATED.fullmatch(path)
        if match and _asked(match[1], names) and _asked(int(match[2]), seeds):
            found.setdefault(match[1], []).append(int(match[2]))
    return {name: sorted(of) for name, of in found.items()}


def _asked(value: str | int, listed: Any) -> bool:
    """Whether params list it; dvc.lock also keeps what they used to list. Params without such a list ask for all."""
    return not isinstance(listed, list) or value in listed


def folds(outputs: Outputs) -> int:
    """How many folds train and val are divided into in a revision; 0 for none, or before there were folds."""
    found = flatten(outputs.side.mapping("params.yaml") or {}).get("prepare.split.folds")
    return found if isinstance(found, int) else 0


def read_runs(outputs: Outputs) -> Runs:
    """All available matrices of a revision; an architecture with a missing seed is `lacking`."""
    classes = read_classes(outputs)
    wanted = evaluated(outputs)
    outputs.fetch((folder(name, seed), MATRICES) for name, seeds in wanted.items() for seed in seeds)
    runs = Runs(classes)
    lacking = []
    for name, seeds in wanted.items():
        contents = {seed: outputs.read(folder(name, seed), MATRICES) for seed in seeds}
        there = {seed: content for seed, content in contents.items() if content is not None}
        if classes is None or len(there) < len(seeds):
            lacking.append(name)
        else:
            count = len(classes.names)
            runs.found[name] = {
                seed: read_matrices(content, count, f"{outputs.side.name}: {folder(name, seed)}/{MATRICES}")
                for seed, content in there.items()
            }
    return replace(runs, lacking=tuple(lacking))


def folder(name: str, seed: int) -> str:
    """The folder that evaluate writes."""
    return f"results/{name}/{seed}/evaluate"


def union(base: Sequence[str], head: Sequence[str]) -> list[str]:
    """The classes of both: the head's in their order, then those that only the base has."""
    return [*head, *(name for name in base if name not in head)]


def spread(found: Matrices, own: Sequence[str], names: Sequence[str]) -> Matrices:
    """The same counts for another list of classes that contains them all."""
    if list(own) == list(names):
        return found
    at = [names.index(name) for name in own]
    counts = np.zeros((len(found.ids), len(names), len(names)), np.int64)
    counts[:, np.array(at)[:, None], np.array(at)[None, :]] = found.counts
    return replace(found, counts=counts)


@dataclass(frozen=True)
class SharedImages:
    """The images of a split that both revisions have with the same labels; all others are left out."""

    split: str
    images: int  # compared
    left_out: int  # of the images that either revision has
    by: str  # how the labels were judged to be the same
    same_data: bool = False  # whether the data of the split is the same in both revisions, whatever the results say

    @property
    def changed(self) -> bool:
        """Whether the revisions have different images or labels to evaluate on."""
        return self.left_out > 0 and not self.same_data

    @property
    def contradicted(self) -> bool:
        """Whether the results are of different images or labels, although the data is the same."""
        return self.left_out > 0 and self.same_data


def common_ids(
    split: str, base: Sequence[Matrices], head: Sequence[Matrices], changes: DataChange
) -> tuple[list[str], SharedImages]:
    """The images that all of the matrices have and whose pixels and labels are the same in both revisions.

    Judged by the hashes of the files if these are known, and by the number of true pixels of each class. The latter
    alone is nearly as good, as two different label maps hardly ever share it; with the hashes it finds renamed classes.
    """
    every = [set(found.ids) for found in (*base, *head)]
    either, shared = set().union(*every), set.intersection(*every)
    known, change = split not in changes.unknown, changes.of(split)
    old, new = truths(base[0]), truths(head[0])
    touched = change.touched if change else frozenset()
    same = {name for name in shared - touched if old[name] == new[name]}
    by = "the hashes of images and labels" if known else "the true pixels of each class in an image"
    same_data = known and change is None and not changes.classes
    return sorted(same), SharedImages(split, len(same), len(either) - len(same), by, same_data)


def truths(found: Matrices) -> dict[str, tuple[int, ...]]:
    """The true pixels of each class, by image."""
    return dict(zip(found.ids, map(tuple, found.counts.sum(axis=2).tolist()), strict=True))


def by_split(seeds: Mapping[int, Mapping[str, Matrices]], split: str) -> dict[int, Matrices]:
    """The matrices of a split by seed; a split without images is not among them."""
    return {seed: seeds[seed][split] for seed in sorted(seeds) if split in seeds[seed]}


def same_seeds(base: Collection[int], head: Collection[int]) -> list[tuple[int, int]]:
    """The pairs of seeds to compare: those of both; if there are none, the first with the first, as far as they go."""
    shared = sorted(set(base) & set(head))
    return [(seed, seed) for seed in shared] or list(zip(sorted(base), sorted(head), strict=False))
