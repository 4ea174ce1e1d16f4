"""Compares labels: by a digest of what is said, and where that differs by what is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from pixelproof.data.dataset import IGNORE
from stages.cvat.convert import Opened, labels_in
from stages.cvat.model import Annotated, Painted
from stages.cvat.naming import Key
from stages.cvat.raster import Palette, draw, draw_painted
from stages.cvat.store import Line, by_key, image_of, open_stored


def labels_digest(one: Opened, image: Annotated) -> str:
    """What is said about an image: the same digest, the same labels."""
    digest = hashlib.sha256(repr((image.width, image.height)).encode())
    if isinstance(image.labels, Painted):
        for member in (image.labels.classes, image.labels.objects):
            digest.update(one.export.read(member) if member else b"")
        digest.update(repr(sorted((colour, label or "") for colour, label in image.labels.colours.items())).encode())
    else:
        for shape in image.labels:
            for part in (shape.label, shape.z, shape.group, shape.crowd, type(shape.outline).__name__):
                digest.update(f"{part!r}\0".encode("utf-8", "surrogatepass"))
            for part in _flat(astuple(shape.outline)):
                digest.update(part.tobytes() if isinstance(part, np.ndarray) else f"{part!r}\0".encode())
    return digest.hexdigest()[:12]


class Comparer:
    """Compares the labels of lines, by what is drawn where they are said in other words."""

    def __init__(self, store: Path, opened: dict[str, Opened]) -> None:
        """Exports that are open already, by their names in the store; others are opened there."""
        self.store, self.opened = store, opened
        self._images: dict[str, dict[Key, Annotated]] = {}
        self._known: dict[tuple[str, str], bool] = {}

    def __call__(self, one: Line, other: Line) -> bool:
        """Whether two lines have the same labels."""
        if one.labels == other.labels:
            return True
        pair = (f"{one.export}\0{one.key}", f"{other.export}\0{other.key}")
        if pair not in self._known:
            self._known[pair] = self._are_drawn_alike(one, other)
        return self._known[pair]

    def image(self, line: Line) -> tuple[Opened, Annotated]:
        """The image of a line with its labels, and its export."""
        name = line.export
        if name not in self.opened:
            self.opened[name] = open_stored(self.store, name)
        if name not in self._images:
            self._images[name] = by_key(self.opened[name])
        return self.opened[name], image_of(line, self._images[name])

    def _are_drawn_alike(self, one: Line, other: Line) -> bool:
        both = [self.image(line) for line in (one, other)]
        (_, first), (_, second) = both
        if not first.width or not second.width:  # no size is told where nothing is labelled
            return not first.labels and not second.labels
        if (first.width, first.height) != (second.width, second.height):
            return False
        labels = sorted({label for _, image in both for label in labels_in(image)})
        palette = Palette({label: at for at, label in enumerate(labels)}, [True] * len(labels), IGNORE)
        (mask, objects), (other_mask, other_objects) = (drawn_by(opened, image, palette) for opened, image in both)
        told = objects is not None and other_objects is not None  # some formats do not tell objects apart
        return np.array_equal(mask, other_mask) and (not told or np.array_equal(objects, other_objects))


def drawn_by(one: Opened, image: Annotated, palette: Palette) -> tuple[Any, Any]:
    """The mask and the instances of an image."""
    if isinstance(image.labels, Painted):
        return draw_painted(str(one.export.path), image, image.labels, one.export.read, palette)
    return draw(image.labels, image.width, image.height, palette)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for part in value:
            yield from _flat(part)
    else:
        yield value
