"""The canvas that a scene is painted on (reflectance, height, class, instance of each pixel), and windows into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Patch:
    """A window of the canvas in an object's own coordinates, in metres: u forward and v sideways from its centre."""

    window: tuple[slice, slice]
    u: Array
    v: Array

    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        rows, columns = self.u.shape
        return rows, columns


@dataclass
class Canvas:
    """The properties of each pixel before lighting. Lengths are in metres, positions in pixels."""

    side: int  # in pixels
    metres_per_pixel: float
    albedo: Array = field(init=False)
    height: Array = field(init=False)
    label: Array = field(init=False)
    instance: Array = field(init=False)
    instances: int = 0

    def __post_init__(self) -> None:
        shape = (self.side, self.side)
        self.albedo = np.zeros((*shape, 3), np.float32)
        self.height = np.zeros(shape, np.float32)
        self.label = np.zeros(shape, np.uint8)
        self.instance = np.zeros(shape, np.uint16)

    def patch(self, x: float, y: float, radius: float, angle: float = 0.0) -> Patch:
        """The window within `radius` metres of a point, its axes rotated by `angle`."""
        reach = radius / self.metres_per_pixel + 2
        rows, columns = (_within(at - reach, at + reach, self.side) for at in (y, x))
        dx = (np.arange(columns.start, columns.stop, dtype=np.float32) - x) * self.metres_per_pixel
        dy = (np.arange(rows.start, rows.stop, dtype=np.float32) - y) * self.metres_per_pixel
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        u = dx[None, :] * cos + dy[:, None] * sin
        v = dy[:, None] * cos - dx[None, :] * sin
        return Patch((rows, columns), u.astype(np.float32), v.astype(np.float32))

    def everywhere(self, x: float, y: float, angle: float = 0.0) -> Patch:
        """The whole canvas in the coordinates of a point and a direction."""
        return self.patch(x, y, 3 * self.side * self.metres_per_pixel, angle)

    def cover(self, distance: Array) -> Array:
        """How much of each pixel a shape covers (0 to 1), from the signed distance to its border in metres."""
        covered: Array = np.clip(0.5 - distance / self.metres_per_pixel, 0, 1)
        return covered

    def new_instance(self) -> int:
        """The id of the next object."""
        self.instances += 1
        return self.instances

    def tint(self, patch: Patch, cover: Array, colour: Array) -> None:
        """Blend a colour (one, or one per pixel) over the existing one; class and height do not change."""
        view = self.albedo[patch.window]
        view += (colour - view) * cover[..., None]

    def paint(
        self, patch: Patch, cover: Array, label: int, colour: Array, height: Array | float, instance: int = 0
    ) -> None:
        """Paint a surface: blend its colour by coverage; set the rest where it covers more than half of a pixel."""
        self.tint(patch, cover, colour)
        inside = cover > 0.5
        self.label[patch.window][inside] = label
        self.instance[patch.window][inside] = instance
        self.height[patch.window][inside] = np.broadcast_to(np.asarray(height, np.float32), inside.shape)[inside]


def _within(low: float, high: float, side: int) -> slice:
    """The pixels between two positions along one axis, clipped to the canvas."""
    first = min(max(0, int(low)), side)
    return slice(first, max(first, min(side, int(high) + 1)))


def box(u: Array, v: Array, length: float, width: float, corner: float = 0.0) -> Array:
    """Signed distance to a rectangle with rounded corners; negative inside."""
    a, b = np.abs(u) - length / 2 + corner, np.abs(v) - width / 2 + corner
    outside = np.hypot(np.maximum(a, 0), np.maximum(b, 0))
    distance: Array = outside + np.minimum(np.maximum(a, b), 0) - corner
    return distance


def disc(u: Array, v: Array, radius: float) -> Array:
    """Signed distance to a circle; negative inside.

    Example:
        >>> disc(np.array([0.0, 3.0]), np.array([0.0, 4.0]), radius=2.0)
        array([-2.,  3.])
    """
    distance: Array = np.hypot(u, v) - radius
    return distance


def capsule(u: Array, v: Array, length: float, radius: float) -> Array:
    """Signed distance to a thick line from the origin along u; negative inside."""
    distance: Array = np.hypot(u - np.clip(u, 0, length), v) - radius
    return distance


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Array:
    """Noise of mean 0 and standard deviation near 1, with blobs about `scale` pixels wide."""
    rows, columns = (int(np.ceil(n / scale)) + 3 for n in shape)
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    step = max(scale, 1.0)
    offset = rng.random(2) * step
    matrix = np.array([[1 / step, 0, 1 + offset[0] / step], [0, 1 / step, 1 + offset[1] / step]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    fine: Array = cv2.warpAffine(coarse, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
    return fine * 1.3


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Independent noise in each pixel."""
    return rng.standard_normal(shape, dtype=np.float32)
