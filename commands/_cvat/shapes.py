"""Draws a prediction as CVAT's shapes: masks or polygons, each with its mean certainty. Pure: arrays in, shapes out.

An object that a network finds by itself is a shape; of one that knows classes alone, a thing is a shape for each
connected component (8 neighbours). What is no thing, such as road, is one mask in each image; a polygon has one part
only, so as polygons it is one for each component as well. Polygons follow the edges of pixels to within one pixel, and
have no holes: CVAT knows none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import cv2
import numpy as np
from cvat_sdk.masks import encode_mask
from numpy.typing import NDArray

from pixelproof.scoring.instances import Instance
from stages.evaluate.predict import Prediction

Kind = Literal["mask", "polygon"]
TOLERANCE = 1.0  # pixels by which a polygon may leave the outline, so that a person can move its corners


class Drawn(NamedTuple):
    """A shape: its class, its mean certainty, and its points as CVAT has them."""

    label: int
    score: float
    points: list[float]


@dataclass(frozen=True)
class Rules:
    """What is drawn.

    Attributes:
        kind: masks or polygons.
        threshold: the least mean certainty of a shape.
        min_area: the least area of a component, in pixels.
    """

    kind: Kind
    threshold: float
    min_area: int


@dataclass
class Counts:
    """What was drawn, by class; and what was not, and why."""

    drawn: Counter[int] = field(default_factory=Counter)
    unsure: int = 0
    small: int = 0


def draw(
    found: Prediction, things: Collection[int], stuff: Collection[int], rules: Rules, counts: Counts
) -> list[Drawn]:
    """The shapes of one image.

    Args:
        found: class ids and certainty.
        things: the classes to draw whose objects are counted.
        stuff: the other classes to draw.
        rules: how.
        counts: to add to.

    Returns:
        The shapes, by class.
    """
    shapes = []
    for label in sorted({*things, *stuff}):
        where = found.labels == label
        if not where.any():
            continue
        whole = label in stuff and rules.kind == "mask"
        for part, corner, score in _parts(where, found.certainty, rules.min_area, counts, whole=whole):
            if score < rules.threshold:
                counts.unsure += 1
                continue
            points = _mask(part, corner) if rules.kind == "mask" else _polygon(part, corner)
            shapes.append(Drawn(label, score, points))
            counts.drawn[label] += 1
    return shapes


def draw_objects(instances: Sequence[Instance], things: Collection[int], rules: Rules, counts: Counts) -> list[Drawn]:
    """The shapes of the objects that a network finds by itself, of some classes; they may overlap.

    Args:
        instances: the objects of one image.
        things: the classes to draw.
        rules: how.
        counts: to add to.
    """
    shapes = []
    for one in instances:
        if one.label not in things:
            continue
        if one.score < rules.threshold:
            counts.unsure += 1
        elif one.mask.sum() < rules.min_area:
            counts.small += 1
        else:
            outline = _mask if rules.kind == "mask" else _polygon
            shapes.append(Drawn(one.label, min(1.0, one.score), outline(one.mask, (one.left, one.top))))
            counts.drawn[one.label] += 1
    return shapes


Part = tuple[NDArray[np.bool_], tuple[int, int], float]  # its pixels in its own box, the box's left and top, its score


def _parts(
    where: NDArray[np.bool_], certainty: NDArray[np.float32], least: int, counts: Counts, *, whole: bool
) -> Iterator[Part]:
    """The components that are large enough; with `whole`, all of them as one."""
    number, numbers, boxes, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=8)
    areas = boxes[:, cv2.CC_STAT_AREA]
    large = [each for each in range(1, number) if areas[each] >= least]
    counts.small += number - 1 - len(large)
    if whole:
        kept = np.isin(numbers, large)
        if large:
            yield kept, (0, 0), _mean(certainty[kept])
        return
    for each in large:
        left, top, width, height = boxes[each, :4]
        box = np.s_[top : top + height, left : left + width]
        part = numbers[box] == each
        yield part, (int(left), int(top)), _mean(certainty[box][part])


def _mean(certainty: NDArray[np.float32]) -> float:
    return min(1.0, float(certainty.mean(dtype=np.float64)))


def _mask(part: NDArray[np.bool_], corner: tuple[int, int]) -> list[float]:
    *runs, left, top, right, bottom = encode_mask(part)
    x, y = corner
    return [*map(float, runs), float(left + x), float(top + y), float(right + x), float(bottom + y)]


def _polygon(part: NDArray[np.bool_], corner: tuple[int, int]) -> list[float]:
    """The outer outline along the edges of pixels, simplified unless that leaves no area."""
    from rasterio.features import shapes

    traced = shapes(part.astype(np.uint8), mask=part, connectivity=8)
    rings = [np.array(geometry["coordinates"][0][:-1], np.float32) for geometry, _ in traced]
    ring = max(rings, key=cv2.contourArea)
    simple = cv2.approxPolyDP(ring, TOLERANCE, closed=True)[:, 0]
    points = simple if len(simple) >= 3 and cv2.contourArea(simple) > 0 else ring
    return [float(value) for value in (points + np.array(corner, np.float32)).ravel()]
