"""Looks at the labels of images as they are drawn: what `init` decides by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commands._adding.labels import drawn_by
from pixelproof.data.dataset import IGNORE
from pixelproof.data.holdings import held
from stages.cvat.convert import Opened, classes_of, labels_in
from stages.cvat.model import Annotated
from stages.cvat.params import Cvat
from stages.cvat.raster import Palette
from stages.prepare.mapping import VOID

ENOUGH = 300  # images: more of them change neither shares nor medians by much
OF_EACH = 20  # images of each label, if it is rare

Labelled = tuple[Opened, Annotated]
Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Found:
    """What images contain once their labels are drawn."""

    sizes: list[Size]  # of every image
    objects: dict[str, list[tuple[Size, float]]]  # by class: the sizes of their images, and their areas in pixels
    unlabelled: float  # share of the pixels that no label covers
    held: dict[int, Counter[str]]  # of each image that was looked at, by its place: what it holds of the classes

    @property
    def drawn(self) -> int:
        """The number of images that were looked at."""
        return len(self.held)

    def share(self, name: str) -> float | None:
        """The mean share of its image that an object of a class covers; None without one."""
        shares = [area / (size[0] * size[1]) for size, area in self.objects.get(name, [])]
        return sum(shares) / len(shares) if shares else None


def measure(images: Sequence[Labelled], params: Cvat) -> Found:
    """Count the pixels and objects of images, in all of which every label is treated as a thing.

    Args:
        images: All of them, in a fixed order; of many, some are drawn.
        params: The classes.
    """
    classes = classes_of(params)
    palette = Palette({info.name: info.id for info in classes}, [True] * len(classes), IGNORE)
    objects: dict[str, list[tuple[Size, float]]] = {}
    names = [None if info.name.lower() in VOID else info.name for info in classes]
    holds: dict[int, Counter[str]] = {}
    outside = pixels = 0
    for place in _sample(images):
        one, image = images[place]
        mask, instances = drawn_by(one, image, palette)
        outside, pixels = outside + int(np.count_nonzero(mask == IGNORE)), pixels + mask.size
        holds[place] = held(mask, instances, names)
        if instances is None:
            continue
        areas = np.bincount(instances.ravel())
        owner = np.full(len(areas), IGNORE, np.uint8)
        owner[instances] = mask  # an instance has one class
        for number in np.flatnonzero(areas[1:]) + 1:
            name = classes[int(owner[number])].name
            objects.setdefault(name, []).append(((image.width, image.height), float(areas[number])))
    sizes = [(image.width, image.height) for _, image in images]
    return Found(sizes, objects, outside / pixels if pixels else 0.0, holds)


def _sample(images: Sequence[Labelled]) -> list[int]:
    """Images spread evenly over all, and some of each label that they lack; those of unknown size have no labels."""
    there = [place for place, (_, image) in enumerate(images) if image.width]
    count = min(len(there), ENOUGH)
    chosen = {there[len(there) * number // count] for number in range(count)}
    seen: Counter[str] = Counter()
    for place in there:
        labels = {*labels_in(images[place][1])}
        if place in chosen or any(seen[label] < OF_EACH for label in labels):
            chosen.add(place)
            seen.update(labels)
    return sorted(chosen)
