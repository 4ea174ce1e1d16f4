"""Draws docs/synthetic.png: twelve rendered scenes over their masks. Run `python docs/sheet.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pixelproof.sources.synthetic.classes import CLASSES  # noqa: E402
from pixelproof.sources.synthetic.scene import render  # noqa: E402

COLUMNS, ROWS, SIZE, GAP, LEGEND = 6, 2, 160, 6, 30
PALETTE = np.array([info.color for info in CLASSES], np.uint8)


def pair(number: int) -> NDArray[Any]:
    """One scene above its mask."""
    scene = render(0, f"train-{number:03d}", 0, SIZE)
    gap = np.full((2, SIZE, 3), 255, np.uint8)
    return np.vstack([scene.image, gap, PALETTE[scene.mask]])


def legend(width: int) -> NDArray[Any]:
    """The name of each class on its colour."""
    strip = np.full((LEGEND, width, 3), 255, np.uint8)
    for info in CLASSES:
        left, right = (width * (info.id + k) // len(CLASSES) for k in (0, 1))
        strip[4:-4, left + 3 : right - 3] = info.color
        ink = 0 if sum(info.color) > 380 else 255
        cv2.putText(strip, info.name, (left + 10, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (ink,) * 3, 1, cv2.LINE_AA)
    return strip


def main() -> None:
    """Write the sheet."""
    pairs = [pair(number) for number in range(COLUMNS * ROWS)]
    across = np.full((pairs[0].shape[0], GAP, 3), 255, np.uint8)
    rows = []
    for first in range(0, len(pairs), COLUMNS):
        row = pairs[first : first + COLUMNS]
        rows.append(np.hstack([part for image in row for part in (image, across)][:-1]))
    down = np.full((GAP * 2, rows[0].shape[1], 3), 255, np.uint8)
    sheet = np.vstack([*(part for row in rows for part in (row, down)), legend(rows[0].shape[1])])
    cv2.imwrite(str(ROOT / "docs" / "synthetic.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
