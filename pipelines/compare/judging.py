"""Prepares two revisions' results on the same images for the statistics of significance.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.compare.labels import DataChange
from pipelines.compare.runs import SPLITS, Runs, Seeds, SharedImages, by_split, common_ids, same_seeds, spread, union
from pipelines.compare.significance import Pair, Row, judge
from pipelines.params import Params
from pixelproof.scoring.matrices import Matrices

Asked = dict[int, Matrices]  # by seed


@dataclass(frozen=True)
class Sides:
    """One architecture: by split, the matrices of each seed of both revisions, over the same images and classes."""

    classes: tuple[str, ...]
    seed: int  # the first that both have; its predictions are shown
    base: dict[str, Asked] = field(default_factory=dict)
    head: dict[str, Asked] = field(default_factory=dict)
    shared: tuple[SharedImages, ...] = ()


def sides_of(base: Seeds, head: Seeds, runs: tuple[Runs, Runs], changes: DataChange) -> Sides:
    """Restrict both revisions to the seeds to compare and the images whose labels are the same, over all classes."""
    compared_seeds = same_seeds(base, head)
    base, head = {old: base[old] for old, _ in compared_seeds}, {new: head[new] for _, new in compared_seeds}
    own = [found.classes.names if found.classes else () for found in runs]
    names = union(*own)
    sides: tuple[dict[str, Asked], dict[str, Asked]] = {}, {}
    compared = []
    for split in SPLITS:
        found = [by_split(seeds, split) for seeds in (base, head)]
        if not all(found):
            continue
        old, new = (
            {seed: spread(one, classes, names) for seed, one in of.items()}
            for of, classes in zip(found, own, strict=True)
        )
        ids, shared = common_ids(split, list(old.values()), list(new.values()), changes)
        compared.append(shared)
        sides[0][split], sides[1][split] = ({seed: one.select(ids) for seed, one in of.items()} for of in (old, new))
    seed = min(base.keys() & head.keys(), default=min(head))
    return Sides(tuple(names), seed, *sides, tuple(compared))


def judge_all(sides: Mapping[str, Sides], params: Params) -> list[Row]:
    """The rows of every architecture and split, corrected together for all tests."""
    pairs = [
        Pair(split, name, of.base[split], of.head[split])
        for name, of in sides.items()
        for split in SPLITS
        if split in of.base and next(iter(of.base[split].values())).ids
    ]
    classes = next((of.classes for of in sides.values()), ())
    return judge(pairs, classes, params.pipelines.compare)
