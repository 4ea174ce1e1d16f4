"""The classes of the rendered scenes."""

from __future__ import annotations

from enum import IntEnum

from pixelproof.data.dataset import ClassInfo


class Kind(IntEnum):
    """The class ids by name."""

    PAVED = 0
    SOIL = 1
    GRASS = 2
    WATER = 3
    ROOF = 4
    TREE = 5
    CAR = 6
    PERSON = 7
    OBSTACLE = 8


CLASSES = (
    ClassInfo(Kind.PAVED, "paved", (128, 64, 128)),
    ClassInfo(Kind.SOIL, "soil", (170, 120, 60)),
    ClassInfo(Kind.GRASS, "grass", (110, 190, 60)),
    ClassInfo(Kind.WATER, "water", (40, 110, 220)),
    ClassInfo(Kind.ROOF, "roof", (220, 70, 50), thing=True),
    ClassInfo(Kind.TREE, "tree", (20, 100, 40), thing=True),
    ClassInfo(Kind.CAR, "car", (250, 200, 30), thing=True),
    ClassInfo(Kind.PERSON, "person", (255, 0, 200), thing=True),
    ClassInfo(Kind.OBSTACLE, "obstacle", (0, 230, 230)),
)
