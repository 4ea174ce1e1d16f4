"""Makes examples/folder: three small images in each split with masks as RGB colours, and the classes.csv of these.

    python -m examples.make_folder_example

The masks are a landing pad's: its ring, the ground, and what is not labelled, in grey.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pixelproof.core.files import whole_folder, write_bytes, write_text
from pixelproof.data.dataset import SPLITS
from pixelproof.data.images import Array, write_png
from pixelproof.sources.labels import packed
from pixelproof.sources.table import NAME, Line, table_text

TARGET = Path(__file__).parent / "folder"
SIDE, IMAGES = 64, 3
GROUND, PAD, VOID = (110, 190, 60), (220, 70, 50), (155, 155, 155)
LINES = (Line(packed(GROUND), "ground"), Line(packed(PAD), "pad", thing=True), Line(packed(VOID), "ignore"))


def main(target: Path = TARGET) -> None:
    """Draw the images and write them with their masks."""
    with whole_folder(target) as folder:
        for split in SPLITS:
            for number in range(IMAGES):
                image, mask = drawn(np.random.default_rng([SPLITS.index(split), number]))
                _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
                write_bytes(folder / split / "images" / f"{number:03d}.jpg", encoded.tobytes())
                write_png(folder / split / "masks" / f"{number:03d}.png", mask)
        write_text(folder / NAME, table_text(LINES, colors=True))


def drawn(rng: np.random.Generator) -> tuple[Array, Array]:
    """An image and its mask."""
    mask = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    centre = rng.integers(16, SIDE - 16, 2).tolist()
    cv2.circle(mask, centre, int(rng.integers(8, 14)), PAD, -1)
    mask[:, : int(rng.integers(1, 6))] = VOID
    noise = rng.normal(0, 12, mask.shape)
    return np.clip(mask * 0.7 + 40 + noise, 0, 255).astype(np.uint8), mask


if __name__ == "__main__":
    main()
