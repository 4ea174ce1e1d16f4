"""The data card of a split: statistics that are collected while it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pixelproof.data.dataset import IGNORE, ClassInfo, Sample
from pixelproof.data.grid import strips
from pixelproof.data.holdings import objects
from pixelproof.data.images import Array
from stages.prepare.shape import Fate, Piece

Counts = dict[str, Any]  # as JSON keeps it

AT_ONCE = 2**20  # pixels whose squares are summed together: memory must not grow with the image


@dataclass
class Fold:
    """Sums over the images of one fold of a split."""

    images: int = 0
    groups: set[str] = field(default_factory=set)
    pixels: Counter[int] = field(default_factory=Counter)
    pixels_where_present: Counter[int] = field(default_factory=Counter)

    def add(self, sample: Sample, counts: Mapping[str, Any]) -> None:
        """Count one image, by its `counted`."""
        self.images += 1
        self.groups.add(sample.group)
        for number, pixels in counts["pixels"]:
            self.pixels[number] += pixels
            self.pixels_where_present[number] += sample.width * sample.height

    def as_json(self, classes: tuple[ClassInfo, ...]) -> dict[str, Any]:
        """Its part of the card."""
        held = [
            {"name": one.name, "pixels": self.pixels[one.id], "pixels_where_present": self.pixels_where_present[one.id]}
            for one in classes
        ]
        return {"images": self.images, "groups": len(self.groups), "classes": held}


@dataclass
class Card:
    """Sums over the images of one split; they are integers, so the order of the images does not matter."""

    classes: tuple[ClassInfo, ...]
    fate: Fate
    images: int = 0
    groups: set[str] = field(default_factory=set)
    sources: Counter[str] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    images_with: Counter[int] = field(default_factory=Counter)
    pixels_where_present: Counter[int] = field(default_factory=Counter)
    instances: Counter[int] = field(default_factory=Counter)
    with_instances: int = 0
    rgb_sum: list[int] = field(default_factory=lambda: [0, 0, 0])
    rgb_squares: list[int] = field(default_factory=lambda: [0, 0, 0])
    notes: list[str] = field(default_factory=list)
    folds: dict[int, Fold] = field(default_factory=dict)

    def add(self, sample: Sample, counts: Mapping[str, Any]) -> None:
        """Count one image, by its `counted`."""
        self.fate.add_piece(sample, counts["cut"], counts["own"])
        self.images += 1
        self.groups.add(sample.group)
        self.sources[sample.source] += 1
        size = sample.width * sample.height
        for number, pixels in counts["pixels"]:
            self.pixels[number] += pixels
            self.images_with[number] += 1
            self.pixels_where_present[number] += size
        if sample.fold is not None:
            self.folds.setdefault(sample.fold, Fold()).add(sample, counts)
        if counts["instances"] is not None:
            self.with_instances += 1
            self.instances.update(counts["instances"])
        for sums, found in ((self.rgb_sum, counts["rgb_sum"]), (self.rgb_squares, counts["rgb_squares"])):
            sums[:] = [one + other for one, other in zip(sums, found, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """The card as it is written; shares are relative to the labelled pixels."""
        labelled = sum(count for number, count in self.pixels.items() if number != IGNORE)
        every = labelled + self.pixels[IGNORE]
        return {
            "images": self.images,
            "groups": len(self.groups),
            "sources": dict(self.sources),
            "pixels": {"labelled": labelled, "ignored": self.pixels[IGNORE]},
            "classes": [self._class(info, labelled) for info in self.classes],
            "rgb": self._rgb(every - self.fate.pixels["padding"]) if every else None,
            "shape": self.fate.as_json(),
            "notes": self.notes + self.fate.notes() + self._absent(),
        } | self._folds()

    def _folds(self) -> dict[str, Any]:
        """What each fold holds, if there are any; a network learns from what all others hold."""
        if not self.folds:
            return {}
        return {
            "folds": [{"fold": number, **found.as_json(self.classes)} for number, found in sorted(self.folds.items())]
        }

    def _class(self, info: ClassInfo, labelled: int) -> dict[str, Any]:
        """`pixels_where_present` is the denominator of median-frequency weights (Eigen and Fergus, ICCV 2015)."""
        pixels = self.pixels[info.id]
        return {
            "id": info.id,
            "name": info.name,
            "pixels": pixels,
            "share": pixels / labelled if labelled else None,
            "images": self.images_with[info.id],
            "pixels_where_present": self.pixels_where_present[info.id],
            "instances": self.instances[info.id] if info.thing and self.with_instances else None,
        }

    def _rgb(self, every: int) -> dict[str, list[float]]:
        means = [total / every for total in self.rgb_sum]
        spreads = [
            max(0.0, square / every - mean**2) ** 0.5 for square, mean in zip(self.rgb_squares, means, strict=True)
        ]
        return {"mean": means, "std": spreads}

    def _absent(self) -> list[str]:
        missing = [info.name for info in self.classes if self.images and not self.pixels[info.id]]
        return [f"no pixel of: {', '.join(missing)}"] if missing else []


def counted(piece: Piece) -> Counts:
    """What the card counts of one image; the statistics of its colours are without padding."""
    counts = np.bincount(piece.mask.ravel(), minlength=256)
    sums, squares = _colours(piece.image[: piece.own[0], : piece.own[1]])
    return {
        "cut": piece.file is None,
        "own": list(piece.own),
        "pixels": [[int(number), int(counts[number])] for number in np.flatnonzero(counts)],
        "instances": None if piece.instances is None else objects(piece.mask, piece.instances),
        "rgb_sum": sums,
        "rgb_squares": squares,
    }


def _colours(image: Array) -> tuple[list[int], list[int]]:
    sums, squares = [0, 0, 0], [0, 0, 0]
    for rows in strips(image.shape, AT_ONCE):
        values = image[rows].reshape(-1, 3).astype(np.int64)
        for channel in range(3):
            sums[channel] += int(values[:, channel].sum())
            squares[channel] += int((values[:, channel] ** 2).sum())
    return sums, squares
