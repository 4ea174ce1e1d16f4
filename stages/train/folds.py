"""Trainings in folds: what each network learns from, what it is validated with, and what they publish together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixelproof.core.errors import DataError
from pixelproof.core.files import read_json
from pixelproof.data.folds import folds_of
from stages.train.curves import Row
from stages.train.data import Images, Labelled, Pair

CARD = Path("results/data/train.json")  # training pixels by class, counted by prepare


@dataclass(frozen=True)
class Part:
    """What one network learns from, and what it is validated with; `fold` is what it does not learn from."""

    fold: int | None
    data: Labelled
    judged: Labelled
    places: tuple[int, ...] = ()  # of its images among those of all folds

    @property
    def name(self) -> str:
        """In paths: of its checkpoint, its weights and its curves."""
        return "" if self.fold is None else f"fold-{self.fold}"

    @property
    def said(self) -> str:
        """Behind the name of the run, in what is printed."""
        return "" if self.fold is None else f" fold {self.fold}"

    def images(self, every: Images) -> Images:
        """Its images, read as those of all folds are."""
        return every if self.fold is None else Chosen(every, self.places)


@dataclass(frozen=True)
class Chosen:
    """Some images of others."""

    every: Images
    places: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.places)

    def id(self, index: int) -> str:
        """The id of an image."""
        return self.every.id(self.places[index])

    def read(self, index: int) -> Pair:
        """Image and mask."""
        return self.every.read(self.places[index])

    def instances(self, index: int) -> Any:
        """Instance ids; None if the image has none."""
        return self.every.instances(self.places[index])


def parts_of(data: Labelled, judged: Labelled) -> list[Part]:
    """What each network learns from and is validated with: all images and val, or with folds, one part for each.

    Raises:
        DataError: An image is in no fold and others are, or all are in one.
    """
    folds = folds_of([sample for _, _, sample in (*judged.items, *data.items)], "data/prepared and data/augmented")
    if not folds:
        return [Part(None, data, judged)]
    found = []
    for fold in folds:
        places = tuple(place for place, (_, _, sample) in enumerate(data.items) if sample.fold != fold)
        held = tuple(item for item in judged.items if item[2].fold == fold)
        if not places or not held:
            where = "data/prepared/train" if not places else "data/prepared/val"
            raise DataError(where, f"images for the network of fold {fold}", "none", "run `dvc repro prepare`")
        learnt = replace(data, items=tuple(data.items[place] for place in places))
        found.append(Part(fold, learnt, replace(judged, items=held), places))
    return found


def counted(names: Sequence[str], key: str, fold: int | None) -> list[int]:
    """What the data card counts of each class in the images that a network learns from: in all folds but its own."""
    card = read_json(CARD)
    held = [one for one in card["folds"] if one["fold"] == fold] if fold is not None else []
    less = {entry["name"]: entry[key] for one in held for entry in one["classes"]}
    every = {entry["name"]: entry for entry in card["classes"]}
    return [every[name][key] - less.get(name, 0) for name in names]


def mean_rows(rows: Sequence[Sequence[Row]]) -> list[Row]:
    """The means of several trainings' curves where all have a value: one may have ended earlier."""
    found = [{(iteration, name): value for iteration, name, value in of} for of in rows]
    shared = [key for key in found[0] if all(key in other for other in found)]
    return [(*key, sum(other[key] for other in found) / len(found)) for key in shared]
