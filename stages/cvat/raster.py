"""Rasterises Datumaro's shapes to a mask of class ids and a map of instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pixelproof.data.images import Array


def rasterise(
    annotations: Iterable[Any], width: int, height: int, background: int, things: Sequence[bool]
) -> tuple[Array, Array]:
    """Paint the shapes: a higher z_order lies on top, ties go to the later shape.

    A pixel belongs to a shape if its centre does, as in CVAT's own mask exports; shapes that share an edge then share
    no pixel. Shapes with the same label in one CVAT group are one instance.
    """
    mask = np.full((height, width), background, np.uint8)
    instances = np.zeros((height, width), np.uint16)
    numbers: dict[tuple[int, int], int] = {}
    numbered = []
    for place, shape in enumerate(annotations):
        key = (int(shape.label), int(shape.group)) if shape.group else (-1, place)
        numbered.append((shape, numbers.setdefault(key, len(numbers) + 1)))
    for shape, number in sorted(numbered, key=lambda pair: int(pair[0].z_order)):
        window, inside = area(shape, width, height)
        mask[window][inside] = shape.label
        instances[window][inside] = number if things[int(shape.label)] else 0
    return mask, _renumber(instances)


def area(shape: Any, width: int, height: int) -> tuple[tuple[slice, slice], Array]:
    """The pixels of one of Datumaro's shapes (mask, polygon, box or rotated box): a window, and a mask of it.

    Only the window is drawn: a hundred polygons on a 12-megapixel photo would otherwise take ten seconds.
    """
    from datumaro.components.annotation import AnnotationType
    from datumaro.util import mask_tools

    if shape.type == AnnotationType.mask:
        return (slice(0, height), slice(0, width)), np.asarray(shape.image, bool)
    corners = np.reshape(shape.points if shape.type == AnnotationType.polygon else shape.as_polygon(), (-1, 2))
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int)
    window = slice(int(top), int(bottom)), slice(int(left), int(right))
    if left == right or top == bottom:
        return window, np.zeros((bottom - top, right - left), bool)
    flat = [float(value) for value in (corners - (left, top)).ravel()]
    return window, mask_tools.rles_to_mask([flat], int(right - left), int(bottom - top)).astype(bool)


def _renumber(instances: Array) -> Array:
    """Renumber the instances 1, 2, 3, ...: hidden shapes leave gaps."""
    found = np.unique(instances[instances > 0])
    renumber = np.zeros(int(instances.max()) + 1, np.uint16)
    renumber[found] = np.arange(1, len(found) + 1)
    renumbered: Array = renumber[instances]
    return renumbered
