"""Draws the disks on an image: ground predicted to be unsafe is darkened, and disks are numbered."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np

from pixelproof.data.images import Array
from pixelproof.data.resize import resize_image, resize_labels
from stages.measure.landing import Disk
from stages.measure.places import Spots

WIDTH = 480  # smaller images are enlarged by a whole factor, so that lines are thin next to their pixels
LARGEST = 1280  # larger ones are reduced to this width
DIM = 0.5
# From Okabe and Ito's palette, which is safe for colour-blind readers; a false disk is also crossed out.
COLOURS = {"safe": (86, 180, 233), "false": (230, 80, 0), "unknown": (240, 228, 66)}
BEST = (255, 255, 255)
SHIFT = 4  # OpenCV takes centres and radii in 1/16 pixels


def picture(image: Array, labels: Array, safe: Collection[int], spots: Spots) -> Array:
    """The predicted disks on the image, coloured by the ground truth's verdict, and the best true one in outline."""
    factor = scale(image.shape[1])
    if factor < 1:
        size = round(image.shape[1] * factor), max(1, round(image.shape[0] * factor))
        image, labels = resize_image(image, *size), resize_labels(labels, *size)
    dark = ~np.isin(labels, list(safe))
    canvas = np.where(dark[..., None], image * DIM, image).astype(np.uint8)
    times = max(1, round(factor))
    canvas = np.ascontiguousarray(canvas.repeat(times, axis=0).repeat(times, axis=1))
    if spots.best:
        _circle(canvas, spots.best, factor, BEST, 1)
    for rank, place in enumerate(spots.places, start=1):
        colour = COLOURS[place.judgement.verdict]
        _circle(canvas, place.disk, factor, colour, 2)
        if place.judgement.verdict == "false":
            _cross(canvas, place.disk, factor, colour)
        _number(canvas, rank, place.disk, factor, colour)
    return canvas


def scale(width: int) -> float:
    """The factor of a drawing: a whole one for small images, below 1 for those that are too large for a page."""
    return LARGEST / width if width > LARGEST else max(1, round(WIDTH / width))


def _centre(disk: Disk, factor: float) -> tuple[float, float]:
    return (disk.x + 0.5) * factor - 0.5, (disk.y + 0.5) * factor - 0.5


def _fixed(*values: float) -> tuple[int, ...]:
    return tuple(round(value * (1 << SHIFT)) for value in values)


def _circle(canvas: Array, disk: Disk, factor: float, colour: tuple[int, int, int], width: int) -> None:
    cv2.circle(
        canvas, _fixed(*_centre(disk, factor)), _fixed(disk.radius * factor)[0], colour, width, cv2.LINE_AA, SHIFT
    )


def _cross(canvas: Array, disk: Disk, factor: float, colour: tuple[int, int, int]) -> None:
    (x, y), arm = _centre(disk, factor), disk.radius * factor * np.sqrt(0.5)
    for way in (-1, 1):
        ends = _fixed(x - arm, y - way * arm), _fixed(x + arm, y + way * arm)
        cv2.line(canvas, *ends, colour, 2, cv2.LINE_AA, SHIFT)


def _number(canvas: Array, rank: int, disk: Disk, factor: float, colour: tuple[int, int, int]) -> None:
    (wide, high), _ = cv2.getTextSize(str(rank), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 2)
    x, y = _centre(disk, factor)
    at = round(x - wide / 2), round(y + high / 2)
    cv2.putText(canvas, str(rank), at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(canvas, str(rank), at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 2, cv2.LINE_AA)
