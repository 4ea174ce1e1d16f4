"""Contact sheets: a small picture for each class, of a few images with that class outlined."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from pixelproof.data.dataset import ClassInfo, Sample, read_image, read_mask
from pixelproof.data.images import Array, write_png
from pixelproof.data.resize import pad, resize_image, resize_labels

COLUMNS, ROWS = 3, 2
CELL = 120  # pixels
GAP = 2  # pixels between cells
STEP = 8  # colours are rounded to multiples of it: a sheet stays below 200 KB, even of noise
WHITE = np.uint8(255)

Entry = tuple[int, str, str, Sample]  # minus the place in the drawing, the image's id, its split, its line of the index


@dataclass
class Sheets:
    """The images that a digest of their ids draws for each class; adding images seldom changes a sheet.

    Pixels are read at the end, of those images alone that are shown: most images are never decoded for it.
    """

    classes: tuple[ClassInfo, ...]
    drawn: dict[int, list[Entry]] = field(default_factory=dict)

    def add(self, sample: Sample, split: str, numbers: Iterable[int]) -> None:
        """Consider an image of the prepared dataset for the sheet of each class that it has."""
        place = -int.from_bytes(hashlib.sha256(sample.id.encode()).digest()[:8], "big")
        for number in numbers:
            if number < len(self.classes):
                entries = self.drawn.setdefault(number, [])
                heapq.heappush(entries, (place, sample.id, split, sample))
                if len(entries) > COLUMNS * ROWS:
                    heapq.heappop(entries)

    def write(self, folder: Path, prepared: Path) -> dict[str, str]:
        """Write the sheets of images of this dataset; return the file of each class that has one."""
        cells = self._cells(prepared)
        files = {}
        for number, entries in sorted(self.drawn.items()):
            name = f"class-{number:03d}.png"
            shown = [cells[number, each[1]] for each in sorted(entries, key=lambda e: (-e[0], e[1]))]
            write_png(folder / name, sheet(shown))
            files[self.classes[number].name] = name
        return files

    def _cells(self, prepared: Path) -> dict[tuple[int, str], Array]:
        """The cell of each class and image; an image is decoded once for all its classes."""
        numbers: dict[str, list[int]] = {}
        places: dict[str, tuple[str, Sample]] = {}
        for number, entries in self.drawn.items():
            for _, name, split, sample in entries:
                numbers.setdefault(name, []).append(number)
                places[name] = split, sample
        cells: dict[tuple[int, str], Array] = {}
        for name, (split, sample) in places.items():
            image = read_image(prepared, split, sample)
            mask = read_mask(prepared, split, sample, len(self.classes))
            cells |= {(number, name): cell(image, mask, self.classes[number]) for number in numbers[name]}
        return cells


def cell(image: Array, mask: Array, info: ClassInfo) -> Array:
    """An image, scaled to fit a cell, with white and coloured lines around the pixels of a class."""
    height, width = mask.shape
    scale = CELL / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resize_image(image, *size)
    inside = (resize_labels(mask, *size) == info.id).astype(np.uint8)
    around = cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside
    lined = np.where(around[..., None] > 0, WHITE, small)
    edge = inside - cv2.erode(inside, np.ones((3, 3), np.uint8), borderValue=0)
    outlined: Array = np.where(edge[..., None] > 0, np.array(info.color, np.uint8), lined)
    return pad(outlined // STEP * STEP, CELL, CELL, 0)


def sheet(cells: list[Array]) -> Array:
    """The cells row by row on black, as few rows and columns as they need."""
    columns, rows = min(len(cells), COLUMNS), -(-len(cells) // COLUMNS)
    whole = np.zeros((rows * (CELL + GAP) - GAP, columns * (CELL + GAP) - GAP, 3), np.uint8)
    for at, one in enumerate(cells):
        top, left = at // COLUMNS * (CELL + GAP), at % COLUMNS * (CELL + GAP)
        whole[top : top + CELL, left : left + CELL] = one
    return whole
