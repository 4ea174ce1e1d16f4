"""A folder of scenes with masks, in which tests plant mistakes; and a user's way from there through prepare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pixelproof.data.images import Array
from pixelproof.sources import folder
from pixelproof.sources.table import NAME
from stages.prepare.merge import prepare
from stages.prepare.params import Prepare
from tests.pixelproof.sources.converted import convert

SIDE = 64
COLORS = ((70, 60, 50), (60, 140, 60), (210, 90, 40))
IDS = ("0,ground,no", "1,grass,no", "2,roof,yes")
HUES = ("#463C32,ground,no", "#3C8C3C,grass,no", "#D25A28,roof,yes")
COUNTS = {"train": 12, "val": 6, "test": 6}


def scene(number: int) -> tuple[Array, Array]:
    """An image of rectangles in the colours of their classes, with noise; and its mask of ids."""
    rng = np.random.default_rng([7, number])
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for at in range(8):
        x, y, width, height = (int(value) for value in rng.integers((0, 0, 10, 10), (50, 50, 28, 28)))
        mask[y : y + height, x : x + width] = 1 + at % 2
    noise = rng.normal(0, 10, (SIDE, SIDE, 3))
    return np.clip(np.array(COLORS)[mask] + noise, 0, 255).astype(np.uint8), mask


def save(path: Path, array: Array, palette: Any = None, **options: Any) -> Path:
    """Write an image, with a palette if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette is not None:
        image.putpalette([value for color in palette for value in color])
    image.save(path, **options)
    return path


def scenes(root: Path, by_split: bool = True) -> Path:
    """The folder: a flight for each image, by split or in one folder."""
    number = 0
    for split, count in COUNTS.items():
        for _ in range(count):
            image, mask = scene(number)
            place = root / split if by_split else root
            save(place / f"images/flight{number:02d}/a.png", image)
            save(place / f"masks/flight{number:02d}/a.png", mask)
            number += 1
    return root


def table(root: Path, *lines: str) -> None:
    """Write classes.csv."""
    (root / NAME).write_text("\n".join(["value,name,thing", *lines]) + "\n")


def section(**changes: Any) -> Prepare:
    """A section `prepare`."""
    values: dict[str, Any] = {
        "sources": ["download"],
        "shape": {"mode": "stretch", "width": SIDE, "height": SIDE, "overlap": 0},
        "map": {},
        "accept": [],
        "split": {"val": 0.25, "test": 0.25, "folds": 0, "salt": 0, "frozen": "data/frozen.csv"},
    }
    return Prepare.model_validate(values | changes)


def prepared(root: Path, *lines: str, **changes: Any) -> dict[str, Any]:
    """Convert the folder with these classes, prepare it; return results/data/card.json."""
    table(root, *(lines or IDS))
    data = root.parent / "data"
    convert(folder, None, data / "download", options={"path": str(root), "lossy_masks": False})
    prepare(data, root.parent / "cards", section(**changes))
    card: dict[str, Any] = json.loads((root.parent / "cards/card.json").read_text())
    return card


def similar(image: Array) -> Array:
    """The same view a moment later: brighter, with other noise, moved by a pixel."""
    moved = np.roll(image, 1, axis=1).astype(float) + np.random.default_rng(5).normal(12, 6, image.shape)
    blurred: Array = cv2.blur(np.clip(moved, 0, 255).astype(np.uint8), (2, 2))
    return blurred
