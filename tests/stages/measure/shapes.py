"""Shapes drawn by hand: the pixels whose centres lie in a form, from its own formula."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def rectangle(size: tuple[int, int], top: int, left: int, height: int, width: int) -> Mask:
    """An upright rectangle of whole pixels."""
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def turned_rectangle(size: tuple[int, int], length: float, width: float, degrees: float) -> Mask:
    """A rectangle around the middle of the image, its long axis counter-clockwise from the x axis."""
    y, x = np.indices(size)
    right, up = x + 0.5 - size[1] / 2, size[0] / 2 - y - 0.5
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = right * cos + up * sin, up * cos - right * sin
    inside: Mask = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
    return inside


def disc(size: tuple[int, int], row: float, column: float, radius: float) -> Mask:
    """A disk around a point."""
    y, x = np.indices(size)
    inside: Mask = (y - row) ** 2 + (x - column) ** 2 <= radius**2
    return inside
