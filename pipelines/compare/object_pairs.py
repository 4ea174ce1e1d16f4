"""Reads what two revisions' networks found, in the images that both have with the same objects in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipelines.compare.judging import Asked, Sides
from pipelines.compare.labels import DATA, recorded_alike
from pipelines.compare.objects import ObjectPair
from pipelines.compare.pieces import DETECTIONS, SEGMENTS, ObjectPieces, Wanted, read_pieces
from pipelines.compare.runs import SPLITS, Runs, folder
from pipelines.compare.store import Outputs

Found = tuple[list[ObjectPair], tuple[str, ...]]


def object_pairs(sides: Mapping[str, Sides], revisions: tuple[Outputs, Outputs], runs: tuple[Runs, Runs]) -> Found:
    """A pair for each architecture and split that has objects; and the architectures of which a side has no tables."""
    pairs, lacking = list[ObjectPair](), list[str]()
    for name, of in sides.items():
        for split in SPLITS:
            if not of.base.get(split) or not next(iter(of.base[split].values())).ids:
                continue
            base, head = (
                _by_seed(outputs, found, (name, split, of.classes), asked[split])
                for outputs, found, asked in zip(revisions, runs, (of.base, of.head), strict=True)
            )
            if base is None or head is None:
                lacking += [] if base is head else [name]
                continue
            images = next(iter(of.head[split].values()))
            pair = with_same_objects(ObjectPair(split, name, images.groups, base, head), images.ids, revisions)
            if pair.truth.objects.any():
                pairs.append(pair)
    return pairs, tuple(dict.fromkeys(lacking))


def with_same_objects(pair: ObjectPair, ids: list[str], revisions: tuple[Outputs, Outputs]) -> ObjectPair:
    """Leave out the images in which objects were drawn anew or told apart; their classes are the same in all."""
    kept = same_maps(f"{DATA}/{pair.split}", ids, *revisions)
    for side in (pair.base, pair.head):
        for found in side.values():
            kept &= (found.objects == pair.truth.objects).all(axis=1)
            kept &= (found.segments == pair.truth.segments).all(axis=1)
    rows = np.flatnonzero(kept)
    base, head = ({seed: of.select(rows) for seed, of in side.items()} for side in (pair.base, pair.head))
    return ObjectPair(pair.split, pair.architecture, [pair.groups[row] for row in rows.tolist()], base, head)


def same_maps(path: str, ids: list[str], base: Outputs, head: Outputs) -> NDArray[np.bool_]:
    """Of which images the map of objects has the same hash; of all where the hashes are not known."""
    every = np.ones(len(ids), bool)
    if recorded_alike(base, head, path):
        return every
    old, new = base.listing(path), head.listing(path)
    if old is None or new is None:
        return every
    names = [f"instances/{name}.png" for name in ids]
    return np.array([old.get(name) == new.get(name) for name in names], bool)


def _by_seed(
    outputs: Outputs, runs: Runs, asked: tuple[str, str, tuple[str, ...]], seeds: Asked
) -> dict[int, ObjectPieces] | None:
    """What each seed of a revision's network found; None if a table is not here."""
    name, split, classes = asked
    own = runs.classes.names if runs.classes else ()
    wanted = Wanted(split, next(iter(seeds.values())).ids, [classes.index(label) for label in own], len(classes))
    outputs.fetch((folder(name, seed), table) for seed in seeds for table in (DETECTIONS, SEGMENTS))
    found = dict[int, ObjectPieces]()
    for seed in seeds:
        place = folder(name, seed)
        detections, segments = (outputs.read(place, table) for table in (DETECTIONS, SEGMENTS))
        if detections is None or segments is None:
            return None
        found[seed] = read_pieces((detections, segments), wanted, f"{outputs.side.name}: {place}")
    return found
