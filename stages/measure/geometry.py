"""Geometry, colour and texture of objects: pixels in, numbers out. docs/measure.md defines each number.

A number that is undefined is None: the direction of a disk, the texture of a single pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelproof.data.grid import strips
from pixelproof.data.images import Array

Numbers = dict[str, float | None]

LENGTHS = ("height", "width", "oriented_height", "oriented_width", "perimeter")
GEOMETRY = ("area", *LENGTHS, "orientation")
IN_METRES = ("area_m2", *(f"{name}_m" for name in LENGTHS))
CO_OCCURRENCE = ("contrast", "homogeneity", "energy", "correlation")
COLOUR = ("red", "green", "blue")
POINTS, RADIUS = 8, 1  # of the local binary pattern
PATTERNS = tuple(f"lbp_{number}" for number in range(POINTS + 2))
MEASURES = (*GEOMETRY, *IN_METRES, *CO_OCCURRENCE, *COLOUR, *PATTERNS)
AT_ONCE = 2**21  # pixels whose patterns are computed together
ROUND = 1e-6  # an object whose axes differ by less than this share has no direction


def measure_objects(
    numbers: NDArray[np.integer[Any]], image: Array, metres_per_pixel: float | None, grey_levels: int
) -> list[Numbers]:
    """The measurements of object 1, 2, ... of an image, and their position (`left`, `top`, `border`)."""
    from skimage.measure import regionprops

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    patterns = local_patterns(grey)
    found = []
    for region in regionprops(numbers):
        top, left, bottom, right = region.bbox
        own, window = np.asarray(region.image, bool), (slice(top, bottom), slice(left, right))
        shape = geometry(region)
        colours = [float(channel) for channel in image[window][own].mean(axis=0)]
        found.append(
            {"left": left, "top": top, "border": cut(region.bbox, numbers.shape)}
            | shape
            | in_metres(shape, metres_per_pixel)
            | co_occurrence(grey[window], own, grey_levels)
            | dict(zip(COLOUR, colours, strict=True))
            | pattern_shares(patterns[window], own)
        )
    return found


def cut(box: tuple[int, int, int, int], size: tuple[int, ...]) -> bool:
    """Whether a box (top, left, bottom, right) touches the image's edge, so that its object may continue outside."""
    return min(box[:2]) == 0 or box[2] == size[0] or box[3] == size[1]


def geometry(region: Any) -> Numbers:
    """Area and lengths in pixels, and the direction of the long axis, from scikit-image's description of a region.

    The perimeter is Crofton's (how often lines in four directions cross the border): it depends less on the direction
    of the border than a count of border pixels.
    """
    top, left, bottom, right = region.bbox
    long, short = oriented_box(np.asarray(region.coords))
    return {
        "area": float(region.area),
        "height": float(bottom - top),
        "width": float(right - left),
        "oriented_height": long,
        "oriented_width": short,
        "perimeter": float(region.perimeter_crofton),
        "orientation": orientation(region),
    }


def oriented_box(pixels: Array) -> tuple[float, float]:
    """The long and the short side of the smallest rectangle, at any angle, around pixels (row, column) as squares."""
    corners = np.empty((4, len(pixels), 2), np.float32)
    for corner, (y, x) in zip(corners, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        corner[:, 0], corner[:, 1] = pixels[:, 1] + x, pixels[:, 0] + y
    _, sides, _ = cv2.minAreaRect(corners.reshape(-1, 2))
    return float(max(sides)), float(min(sides))


def orientation(region: Any) -> float | None:
    """Degrees counter-clockwise from the x axis to the long axis, from 0 to below 180; None if the axes are equal."""
    large, small = region.inertia_tensor_eigvals
    if large - small <= ROUND * large:
        return None
    return wrapped(math.degrees(region.orientation) + 90)  # scikit-image counts from the vertical


def wrapped(degrees: float) -> float:
    """An undirected angle, from 0 to below 180 after rounding."""
    return round(degrees % 180, 6) % 180


def turned(degrees: float) -> float:
    """The smaller difference of two undirected angles: above -90, up to 90."""
    return 90 - (90 - degrees) % 180


def in_metres(shape: Mapping[str, float | None], metres_per_pixel: float | None) -> Numbers:
    """The same measurements on the ground; None without a scale."""
    values = {"area_m2": (shape["area"], 2), **{f"{name}_m": (shape[name], 1) for name in LENGTHS}}
    return {
        name: None if metres_per_pixel is None or value is None else value * metres_per_pixel**power
        for name, (value, power) in values.items()
    }


def co_occurrence(grey: Array, own: NDArray[np.bool_], levels: int) -> Numbers:
    """Haralick's texture measures from the grey levels of neighbouring pixels in the object, in eight directions.

    Haralick et al., Textural Features for Image Classification, 1973. Pixels outside get an extra level, whose pairs
    are then left out.
    """
    from skimage.feature import graycomatrix, graycoprops

    quantised = np.where(own, grey.astype(np.int64) * levels // 256 + 1, 0).astype(np.uint8)
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    counts = graycomatrix(quantised, [1], angles, levels=levels + 1, symmetric=True)[1:, 1:]
    pooled = counts.sum(axis=(2, 3), keepdims=True)
    if not pooled.any():
        return dict.fromkeys(CO_OCCURRENCE)
    values: Numbers = {name: float(graycoprops(pooled, name)[0, 0]) for name in CO_OCCURRENCE}
    flat = np.count_nonzero(pooled.sum(axis=1)) == 1
    return values | {"correlation": None} if flat else values


def local_patterns(grey: Array) -> Array:
    """The local binary pattern of each pixel (Ojala et al., 2002): `uniform`, 8 neighbours, radius 1.

    Large images go in strips, each with the rows around it: scikit-image needs 24 bytes for a pixel.
    """
    from skimage.feature import local_binary_pattern

    found = np.empty(grey.shape, np.uint8)
    for rows in strips(grey.shape, AT_ONCE):
        top, bottom = max(rows.start - RADIUS - 1, 0), rows.stop + RADIUS + 1
        patterns = local_binary_pattern(grey[top:bottom], POINTS, RADIUS, "uniform")
        found[rows] = patterns[rows.start - top : rows.stop - top]
    return found


def pattern_shares(patterns: Array, own: NDArray[np.bool_]) -> Numbers:
    """The share of each pattern in an object, of the pixels whose neighbours all belong to the object."""
    square = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)
    inner = cv2.erode(own.astype(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    counts = np.bincount(patterns[inner], minlength=len(PATTERNS))
    total = int(counts.sum())
    return {name: int(count) / total if total else None for name, count in zip(PATTERNS, counts, strict=True)}
