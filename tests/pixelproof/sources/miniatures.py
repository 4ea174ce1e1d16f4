"""Small datasets in the layouts of their publishers: folder for folder, with every type of file, made from a seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelproof.data.images import Array

DUBAI = {"Tile 1": "RGB", "Tile 2": "P", "Tile 3": "RGB", "Tile 4": "RGB"}
DUBAI_COLORS = ("8429F6", "E2A929", "3C1098", "FEDD3A", "6EC1E4", "9B9B9B", "000000")
DUBAI_WRONG = {"Water": "#50E3C2", "Land (unpaved area)": "#F5A623", "Unlabeled": "#9B9B9B"}


def rgb_of(text: str) -> tuple[int, int, int]:
    """A colour from its hexadecimal digits."""
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def save(path: Path, array: Array, palette: list[tuple[int, int, int]] | None = None, **options: Any) -> Path:
    """Save an array as an image, as a palette image if colours are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette is not None:
        image = Image.fromarray(array, mode="P")
        image.putpalette([value for color in palette for value in color])
    image.save(path, **options)
    return path


def photo(path: Path, rng: np.random.Generator, height: int = 12, width: int = 16, **options: Any) -> Path:
    """Save a photograph of noise."""
    return save(path, rng.integers(0, 256, (height, width, 3), dtype=np.uint8), **options)


def blocks(rng: np.random.Generator, values: list[int], height: int = 12, width: int = 16, often: int = 99) -> Array:
    """A mask of 4x4 blocks, which has every value once if there are blocks enough; then the first `often` of them."""
    rows, columns = -(-height // 4), -(-width // 4)
    drawn = np.concatenate([values, rng.choice(values[:often], max(0, rows * columns - len(values)))])[: rows * columns]
    grid = rng.permutation(drawn).reshape(rows, columns).astype(np.int64)
    whole: Array = np.kron(grid, np.ones((4, 4), np.int64))[:height, :width]
    return whole


def dubai(root: Path) -> Path:
    """Tiles of images that have the same names in each; palettes and RGB; a classes.json of other colours."""
    rng, palette = np.random.default_rng(1), [rgb_of(color) for color in DUBAI_COLORS]
    for tile, mode in DUBAI.items():
        for number in (1, 2):
            photo(root / tile / "images" / f"image_part_{number:03d}.jpg", rng, 24, 24)
            ids = blocks(rng, list(range(len(palette))), 24, 24, often=5).astype(np.uint8)
            path = root / tile / "masks" / f"image_part_{number:03d}.png"
            save(path, ids, palette) if mode == "P" else save(path, np.array(palette, np.uint8)[ids])
    stated = [{"title": name, "shape": "polygon", "color": color} for name, color in DUBAI_WRONG.items()]
    (root / "classes.json").write_text(json.dumps({"classes": stated, "tags": []}))
    return root


def nuclei(root: Path, images: int = 3) -> Path:
    """A folder for each image, RGBA, with one black and white PNG for each nucleus."""
    rng = np.random.default_rng(2)
    for number in range(images):
        name = f"{number:064x}"
        rgba = np.dstack([rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), np.full((16, 16), 255, np.uint8)])
        save(root / name / "images" / f"{name}.png", rgba)
        for nucleus in range(3):
            mask = np.zeros((16, 16), np.uint8)
            mask[5 * nucleus : 5 * nucleus + 4, number : number + 4] = 255
            save(root / name / "masks" / f"{nucleus:064x}.png", mask)
    return root
