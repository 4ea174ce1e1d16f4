"""Finds classes that only have another name: the same id in label maps that did not change, byte by byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipelines.compare.labels import Classes, DataChange
from pipelines.compare.runs import SPLITS, Runs
from pixelproof.scoring.matrices import Matrices


def renamed(runs: tuple[Runs, Runs], data: DataChange) -> Classes | None:
    """The base's classes under the head's names; None if no class was renamed.

    A class is known by its id if an image that holds it has the same label map in both revisions.
    """
    old, new = (found.classes for found in runs)
    if old is None or new is None or old.names == new.names:
        return None
    known = _known_ids(runs, data)
    names = [new.names[at] if at in known else name for at, name in enumerate(old.names)]
    if len(set(names)) < len(names):  # the name went to another class, so that one's id is all there is to go by
        names = [*new.names[: len(old.names)], *old.names[len(new.names) :]]
    if len(set(names)) < len(names) or names == list(old.names):
        return None
    return replace(old, names=tuple(names))


def _known_ids(runs: tuple[Runs, Runs], data: DataChange) -> set[int]:
    """The ids of the classes in images whose labels are the same; which these are, any network's matrices tell."""
    shared = sorted(runs[0].found.keys() & runs[1].found.keys())
    found: set[int] = set()
    for split in SPLITS if shared else ():
        first = [next((of[split] for of in side.found[shared[0]].values() if split in of), None) for side in runs]
        if first[0] is not None and first[1] is not None:
            change = data.of(split)
            found |= _held(first[0], first[1], change.touched if change else frozenset())
    return found


def _held(base: Matrices, head: Matrices, touched: frozenset[str]) -> set[int]:
    """The class ids in the images that both have with the same number of true pixels of each id."""
    ids = sorted((set(base.ids) & set(head.ids)) - touched)
    old, new = (side.select(ids).counts.sum(axis=2) for side in (base, head))
    wide = max(old.shape[1], new.shape[1])
    old, new = (np.pad(side, ((0, 0), (0, wide - side.shape[1]))) for side in (old, new))
    same = (old == new).all(axis=1)
    return {int(at) for at in np.nonzero((old[same] > 0).any(axis=0))[0]}
