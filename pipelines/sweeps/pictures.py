"""The validation images on which the networks of a sweep are furthest apart, each with what every network found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.compare.labels import DATA, decoded
from pipelines.compare.pictures import Tile, painted, photo_of
from pipelines.compare.runs import folder
from pipelines.compare.significance import GATE_SPLIT
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.revision import Revision
from pipelines.sweeps.results import Row
from pipelines.sweeps.table import name_of
from pixelproof.scoring.counts import counts
from pixelproof.scoring.scores import scores

IMAGES, NETWORKS = 6, 12  # that are shown: a page of a hundred networks would show nothing


@dataclass(frozen=True)
class Strip:
    """One image: itself, its labels, and what each network found."""

    id: str
    tiles: list[Tile]


def furthest_apart(rows: Sequence[Row], count: int = IMAGES) -> list[str]:
    """The images whose mIoU differs most between the rows (standard deviation); of equal ones the first by id."""
    stored = [next(iter(row.stored[GATE_SPLIT].values())) for row in rows]
    each = np.stack([scores(counts(found.counts), ["mIoU"])["mIoU"] for found in stored])
    apart = np.nan_to_num(each.std(axis=0), nan=-1.0)
    order = np.argsort(-apart, kind="stable")[:count]
    return [stored[0].ids[at] for at in order]


def strips(repo: Any, rows: Sequence[Row]) -> list[Strip]:
    """The pictures of the first networks of the table that have results on the images of the first."""
    with_results = [row for row in rows if row.stored.get(GATE_SPLIT)]
    ids = [next(iter(row.stored[GATE_SPLIT].values())).ids for row in with_results]
    asked = [row for row, own in zip(with_results, ids, strict=True) if own == ids[0]][:NETWORKS]
    if not asked:
        return []
    store = Store(repo)
    outputs = [Outputs(Revision(f"point {row.point.name}", row.record.commit), store) for row in asked]
    names = furthest_apart(asked)
    for row, of in zip(asked, outputs, strict=True):
        of.fetch((folder(row.architecture, row.seeds[0]), f"masks/{GATE_SPLIT}/{name}.png") for name in names)
    return [_strip(name, asked, outputs) for name in names]


def _strip(name: str, rows: Sequence[Row], outputs: Sequence[Outputs]) -> Strip:
    data, first = f"{DATA}/{GATE_SPLIT}", outputs[0]
    photo = first.read(data, f"images/{name}.png") or first.read(data, f"images/{name}.jpg")
    truth = decoded(first.read(data, f"masks/{name}.png"))
    tiles = [Tile("image", photo_of(photo)), Tile("truth", painted(truth, truth, rows[0].classes))]
    for row, of in zip(rows, outputs, strict=True):
        found = decoded(of.read(folder(row.architecture, row.seeds[0]), f"masks/{GATE_SPLIT}/{name}.png"))
        tiles.append(Tile(name_of(row), painted(found, truth, row.classes)))
    return Strip(name, tiles)
