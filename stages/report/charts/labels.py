"""Where to put the texts of a chart, so that none overlap. Pure: pixels in, pixels out."""

from __future__ import annotations

import math
from collections.abc import Sequence

LETTER = 7.0  # mean width in pixels of a letter at a font size of 12
LINE = 15.0  # height of a line at that size

Box = tuple[float, float, float, float]  # left, top, right, bottom
Spot = tuple[str, float, float]  # how the text is aligned at x, y: left or right


def beside(points: Sequence[tuple[float, float]], texts: Sequence[str], size: tuple[float, float]) -> list[Spot | None]:
    """A position next to each point for its text: inside the chart, clear of all points and earlier texts, and nearer
    to its own point than to any other."""
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in points]
    spots: list[Spot | None] = []
    for (x, y), text in zip(points, texts, strict=True):
        width = LETTER * len(text)
        tried: list[tuple[Spot, Box]] = []
        for down in (-12, 0, 12, -26, 26):
            top, bottom = y + down - LINE / 2, y + down + LINE / 2
            tried.append((("left", x + 10, y + down), (x + 10, top, x + 10 + width, bottom)))
            tried.append((("right", x - 10, y + down), (x - 10 - width, top, x - 10, bottom)))
        free = [
            (spot, box)
            for spot, box in tried
            if inside(box, size)
            and not any(meet(box, one) for one in taken)
            and math.dist(spot[1:], (x, y)) <= min(math.dist(spot[1:], other) for other in points)
        ]
        spots.append(free[0][0] if free else None)
        taken += [box for _, box in free[:1]]
    return spots


def inside(box: Box, size: tuple[float, float]) -> bool:
    """Whether a box lies within a chart of a width and a height."""
    return box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1]


def meet(one: Box, other: Box) -> bool:
    """Whether two boxes overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
