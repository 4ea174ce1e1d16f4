"""Contact sheets: a small picture for each class, of a few images with that class outlined."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from pixelproof.data.dataset import ClassInfo
from pixelproof.data.images import Array, write_png
from pixelproof.data.resize import pad, resize_image, resize_labels
from stages.prepare.shape import Piece

COLUMNS, ROWS = 3, 2
CELL = 120  # pixels
GAP = 2  # pixels between cells
STEP = 8  # colours are rounded to multiples of it: a sheet stays below 200 KB, even of noise
WHITE = np.uint8(255)

Entry = tuple[int, str, Array]  # minus the place in the drawing, the image's id, the cell


@dataclass
class Sheets:
    """The images that a digest of their ids draws for each class; adding images seldom changes a sheet."""

    classes: tuple[ClassInfo, ...]
    drawn: dict[int, list[Entry]] = field(default_factory=dict)

    def add(self, piece: Piece) -> None:
        """Consider an image for the sheet of each class that it has."""
        place = -int.from_bytes(hashlib.sha256(piece.sample.id.encode()).digest()[:8], "big")
        for number in map(int, np.flatnonzero(np.bincount(piece.mask.ravel(), minlength=256)[: len(self.classes)])):
            entries = self.drawn.setdefault(number, [])
            full = len(entries) == COLUMNS * ROWS
            if not full or place > entries[0][0]:
                entry = (place, piece.sample.id, cell(piece, self.classes[number]))
                (heapq.heapreplace if full else heapq.heappush)(entries, entry)

    def write(self, folder: Path) -> dict[str, str]:
        """Write the sheets; return the file of each class that has one."""
        files = {}
        for number, entries in sorted(self.drawn.items()):
            name = f"class-{number:03d}.png"
            write_png(folder / name, sheet([each[2] for each in sorted(entries, key=lambda e: (-e[0], e[1]))]))
            files[self.classes[number].name] = name
        return files


def cell(piece: Piece, info: ClassInfo) -> Array:
    """An image, scaled to fit a cell, with white and coloured lines around the pixels of a class."""
    height, width = piece.mask.shape
    scale = CELL / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = resize_image(piece.image, *size)
    inside = (resize_labels(piece.mask, *size) == info.id).astype(np.uint8)
    around = cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside
    image = np.where(around[..., None] > 0, WHITE, image)
    edge = inside - cv2.erode(inside, np.ones((3, 3), np.uint8), borderValue=0)
    outlined: Array = np.where(edge[..., None] > 0, np.array(info.color, np.uint8), image)
    return pad(outlined // STEP * STEP, CELL, CELL, 0)


def sheet(cells: list[Array]) -> Array:
    """The cells row by row on black, as few rows and columns as they need."""
    columns, rows = min(len(cells), COLUMNS), -(-len(cells) // COLUMNS)
    whole = np.zeros((rows * (CELL + GAP) - GAP, columns * (CELL + GAP) - GAP, 3), np.uint8)
    for at, one in enumerate(cells):
        top, left = at // COLUMNS * (CELL + GAP), at % COLUMNS * (CELL + GAP)
        whole[top : top + CELL, left : left + CELL] = one
    return whole
