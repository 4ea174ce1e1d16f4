"""The validation images on which the networks of a sweep are furthest apart, each with what every network found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.compare.labels import DATA, Classes, decoded
from pipelines.compare.pictures import WIDTH, Tile, as_uri, coloured, painted, photo_of
from pipelines.compare.runs import folder
from pipelines.compare.significance import GATE_SPLIT
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.revision import Revision
from pipelines.sweeps.results import Row
from pipelines.sweeps.table import name_of
from pixelproof.scoring.counts import counts
from pixelproof.scoring.scores import scores

IMAGES, NETWORKS = 6, 16  # that are shown: a page of a hundred networks would show nothing
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Strip:
    """One image: itself, its labels, and what each network found."""

    id: str
    tiles: list[Tile]


@dataclass(frozen=True)
class Shown:
    """A network whose pictures are shown, by the results of its first seed."""

    row: Row
    outputs: Outputs
    by_image: Mapping[str, float]  # mIoU

    @property
    def folder(self) -> str:
        """Where its pictures are."""
        return folder(self.row.architecture, self.row.seeds[0])

    def files(self, name: str) -> list[str]:
        """The files of an image that are looked at."""
        kinds = ("masks", "instances") if self.row.network.tells_objects_apart else ("masks",)
        return [f"{kind}/{GATE_SPLIT}/{name}.png" for kind in kinds]


def by_image(row: Row) -> dict[str, float]:
    """The mIoU of each image (first seed)."""
    stored = next(iter(row.stored[GATE_SPLIT].values()))
    return dict(zip(stored.ids, scores(counts(stored.counts), ["mIoU"])["mIoU"].tolist(), strict=True))


def furthest_apart(rows: Sequence[Row], count: int = IMAGES) -> list[str]:
    """The images whose mIoU differs most between the rows (standard deviation); of equal ones the first by id."""
    found = [by_image(row) for row in rows]
    each = np.array([list(of.values()) for of in found])
    apart = np.nan_to_num(each.std(axis=0), nan=-1.0)
    ids = list(found[0])
    return [ids[at] for at in np.argsort(-apart, kind="stable")[:count]]


def strips(repo: Any, rows: Sequence[Row], points: Sequence[str]) -> list[Strip]:
    """The pictures of the first networks of the table that have results on the images of the first.

    Args:
        repo: DVC's repository.
        rows: The table, the best first.
        points: The names of the sweep's points, in whose order the networks stand beside each other.
    """
    with_results = [row for row in rows if row.stored.get(GATE_SPLIT)]
    ids = [next(iter(row.stored[GATE_SPLIT].values())).ids for row in with_results]
    asked = [row for row, own in zip(with_results, ids, strict=True) if own == ids[0]][:NETWORKS]
    if not asked:
        return []
    names, store = furthest_apart(asked), Store(repo)
    asked.sort(key=lambda row: points.index(row.point.name))
    sides = [Outputs(Revision(f"point {row.point.name}", row.record.commit), store) for row in asked]
    shown = [Shown(row, outputs, by_image(row)) for row, outputs in zip(asked, sides, strict=True)]
    for each in shown:
        each.outputs.fetch((each.folder, file) for name in names for file in each.files(name))
    return [_strip(name, shown) for name in names]


def _strip(name: str, shown: Sequence[Shown]) -> Strip:
    data, first = f"{DATA}/{GATE_SPLIT}", shown[0]
    photo = first.outputs.read(data, f"images/{name}.png") or first.outputs.read(data, f"images/{name}.jpg")
    truth = decoded(first.outputs.read(data, f"masks/{name}.png"))
    tiles = [Tile("image", photo_of(photo)), Tile("truth", painted(truth, truth, first.row.classes))]
    for each in shown:
        mask, *objects = (each.outputs.read(each.folder, file) for file in each.files(name))
        value = each.by_image[name]
        title = name_of(each.row) if np.isnan(value) else f"{name_of(each.row)}, mIoU {value:.3f}"
        found, numbers = decoded(mask), _numbers(objects[0]) if objects else None
        if found is None or numbers is None or numbers.shape != found.shape:
            tiles.append(Tile(title, painted(found, truth, each.row.classes)))
        else:
            tiles.append(Tile(title, as_uri(outlined(found, truth, each.row.classes, numbers)[..., ::-1])))
    return Strip(name, tiles)


def _numbers(content: bytes | None) -> NDArray[np.uint16] | None:
    """A map of objects from the bytes of its PNG; None if it is not one."""
    import cv2

    array = None if not content else cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return array if array is not None and array.ndim == 2 and array.dtype == np.uint16 else None


def outlined(
    mask: NDArray[np.uint8], truth: NDArray[np.uint8] | None, classes: Classes | None, numbers: NDArray[np.uint16]
) -> NDArray[np.uint8]:
    """A label map in its class colours as RGB, with the objects outlined.

    A small one is enlarged first: outlines as wide as its pixels would hide objects of a few.
    """
    import cv2
    from skimage.segmentation import find_boundaries

    colours = coloured(mask, truth, classes)
    times = max(1, WIDTH // colours.shape[1])
    size = (times * colours.shape[1], times * colours.shape[0])
    found = np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    drawn = cv2.resize(numbers, size, interpolation=cv2.INTER_NEAREST)
    found[find_boundaries(drawn, mode="inner", background=0)] = WHITE
    return found
