"""From Datumaro's shapes to a mask of class ids and a map of instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from stages.dataset import Array


def rasterise(
    annotations: Iterable[Any], width: int, height: int, background: int, things: Sequence[bool]
) -> tuple[Array, Array]:
    """Paint the shapes: a higher z_order lies on top, ties go to the later shape.

    A pixel belongs to a shape when its centre does: what CVAT's own mask exports do, and shapes that share an edge
    share no pixel. Shapes of one label in one CVAT group are one instance.
    """
    mask = np.full((height, width), background, np.uint8)
    instances = np.zeros((height, width), np.uint16)
    numbers: dict[tuple[int, int], int] = {}
    numbered = []
    for place, shape in enumerate(annotations):
        key = (int(shape.label), int(shape.group)) if shape.group else (-1, place)
        numbered.append((shape, numbers.setdefault(key, len(numbers) + 1)))
    for shape, number in sorted(numbered, key=lambda pair: int(pair[0].z_order)):
        inside = area(shape, width, height)
        mask[inside] = shape.label
        instances[inside] = number if things[int(shape.label)] else 0
    return mask, _renumber(instances)


def area(shape: Any, width: int, height: int) -> Array:
    """The pixels of one of Datumaro's shapes: mask, polygon, box or turned box."""
    from datumaro.components.annotation import AnnotationType
    from datumaro.util import mask_tools

    if shape.type == AnnotationType.mask:
        inside: Array = np.asarray(shape.image, bool)
        return inside
    corners = shape.points if shape.type == AnnotationType.polygon else shape.as_polygon()
    flat = [float(value) for value in np.ravel(corners)]
    inside = mask_tools.rles_to_mask([flat], width, height).astype(bool)
    return inside


def _renumber(instances: Array) -> Array:
    """1, 2, 3, ... without the gaps that hidden shapes leave."""
    found = np.unique(instances[instances > 0])
    table = np.zeros(int(instances.max()) + 1, np.uint16)
    table[found] = np.arange(1, len(found) + 1)
    renumbered: Array = table[instances]
    return renumbered
