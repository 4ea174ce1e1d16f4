"""What AP and PQ of a network follow from, by image, read from the tables that evaluate stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import DataError
from pixelproof.scoring.matrices import FIX, read_table
from pixelproof.scoring.panoptic import COUNTS, ROWS
from pixelproof.scoring.precision import THRESHOLDS, Floats, Pieces

DETECTIONS, SEGMENTS = "detections.parquet", "segments.parquet"
IMAGE = {"split": "string", "id": "string"}
DETECTED = IMAGE | {"class": "int64", "kind": "string", "score": "float64", "right": "uint64", "counted": "uint64"}
CLOSE = ("touching", "touching_found")
COUNTED = IMAGE | dict.fromkeys(("class", "objects", *CLOSE), "int64") | dict.fromkeys(COUNTS, "float64")
MASK = "mask"  # AP is compared by masks


@dataclass(frozen=True)
class ObjectPieces:
    """What the scores of objects follow from, of one network on some images."""

    detections: Sequence[Sequence[Pieces]]  # by class, of each image: masks of any area
    counts: Floats  # [images, ROWS, classes], as pixelproof/scoring/panoptic.py has them
    touching: NDArray[
        np.int64
    ]  # [images, 2]: objects that touch another of their class, and how many of them are found

    @property
    def objects(self) -> NDArray[np.int64]:
        """How many true objects there are, [images, classes]."""
        found = [[int(part.truths[0]) for part in images] for images in self.detections]
        return np.array(found, np.int64).reshape(len(self.detections), -1).T

    @property
    def segments(self) -> Floats:
        """How many true segments there are, [images, classes]: objects, and what is no thing as a whole."""
        return np.asarray(self.counts[:, 2] + self.counts[:, 3])

    def select(self, rows: NDArray[np.int64]) -> ObjectPieces:
        """Those of some of the images."""
        detections = [[images[row] for row in rows] for images in self.detections]
        return ObjectPieces(detections, self.counts[rows], self.touching[rows])


@dataclass(frozen=True)
class Wanted:
    """Of which split, which images in this order, and the place of each of the network's classes in the list of all."""

    split: str
    ids: Sequence[str]
    places: Sequence[int]
    classes: int  # of all


def read_pieces(tables: tuple[bytes, bytes], wanted: Wanted, where: str) -> ObjectPieces:
    """Read what evaluate stored of detections and of segments.

    Raises:
        StateError: Something is not a table as evaluate writes it.
        DataError: A table has other classes than the data.
    """
    found, counted = (
        _rows(table, f"{where}/{name}", kinds, wanted)
        for table, name, kinds in zip(tables, (DETECTIONS, SEGMENTS), (DETECTED, COUNTED), strict=True)
    )
    counts = np.zeros((len(wanted.ids), ROWS, wanted.classes))
    objects = np.zeros((len(wanted.ids), wanted.classes), np.int64)
    counts[counted["image"], :, counted["class"]] = np.stack([counted[name] for name in COUNTS], axis=1)
    objects[counted["image"], counted["class"]] = counted["objects"]
    touching = np.zeros((len(wanted.ids), len(CLOSE)), np.int64)
    np.add.at(touching, counted["image"], np.stack([counted[name] for name in CLOSE], axis=1))
    chosen = found["kind"] == MASK
    masks = {name: values[chosen] for name, values in found.items()}
    detections = [_of_class(masks, objects[:, label], label) for label in range(wanted.classes)]
    return ObjectPieces(detections, counts, touching)


def _of_class(found: Mapping[str, NDArray[Any]], objects: NDArray[np.int64], label: int) -> list[Pieces]:
    own = np.flatnonzero(found["class"] == label)
    own = own[np.argsort(found["image"][own], kind="stable")]
    bounds = np.searchsorted(found["image"][own], np.arange(len(objects) + 1))
    right, counted = (_flags(found[name][own]) for name in ("right", "counted"))
    scores = found["score"][own]
    return [
        Pieces(scores[at:end], right[..., at:end], counted[..., at:end], objects[image : image + 1])
        for image, (at, end) in enumerate(pairwise(bounds))
    ]


def _flags(bits: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """[1, thresholds, D]: of the first range, whose bits are the lowest."""
    places = np.arange(len(THRESHOLDS), dtype=np.uint64)
    return ((bits[None] >> places[:, None]) & np.uint64(1)).astype(bool)[None]


def _rows(content: bytes, where: str, kinds: Mapping[str, str], wanted: Wanted) -> dict[str, NDArray[Any]]:
    """The rows of the wanted images, with the number of the image in place of its id; classes in the list of all."""
    table = read_table(content, where, kinds)
    columns = {name: table[name].to_numpy() for name in kinds}
    places = {name: number for number, name in enumerate(wanted.ids)}
    image = np.array([places.get(name, -1) for name in columns.pop("id")], np.int64)
    chosen = (columns.pop("split") == wanted.split) & (image >= 0)
    found = {name: values[chosen] for name, values in columns.items()}
    label = found["class"]
    if len(label) and not 0 <= label.min() <= label.max() < len(wanted.places):
        raise DataError(where, f"class ids below {len(wanted.places)}", f"id {label.max()}", FIX)
    return found | {"image": image[chosen], "class": np.array(wanted.places, np.int64)[label]}
