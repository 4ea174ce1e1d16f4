"""Steps that move pixels. Labels go where their pixels go, to the nearest one; what comes from outside is ignored.

Positions are rounded to 1/32 of a pixel and mixed in whole numbers, so every processor gives the same bytes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from pixelproof.augmentation.steps import Crop, Cutout, Flip, GridShuffle, Perspective, Rotate, Scale
from pixelproof.augmentation.view import Around, Rng, Size, View, empty
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array
from pixelproof.data.resize import resize_image, resize_labels

PARTS = 32  # of a pixel: what cv2.remap's whole-number interpolation distinguishes


class Box(NamedTuple):
    """A rectangle in pixels, which may reach beyond the image."""

    left: int
    top: int
    width: int
    height: int


def flip(view: View, step: Flip, rng: Rng, around: Around) -> View:
    """Mirror."""
    return mirrored(view, 1 if step.axis == "horizontal" else 0)


def mirrored(view: View, axis: int) -> View:
    """Mirror along an axis of the arrays."""
    instances = None if view.instances is None else np.flip(view.instances, axis)
    return View(np.flip(view.image, axis), np.flip(view.mask, axis), instances)


def scale(view: View, step: Scale, rng: Rng, around: Around) -> View:
    """Scale and crop, at any place or on a class."""
    size = around.size or view.size
    factor = between(step.smallest, step.largest, rng)
    window = [max(1, round(side / factor)) for side in size]
    on = spot(view.mask, rng, around) if rng.random() < step.rare else None
    left, top = (place(view.size[i], window[i], None if on is None else on[i], rng) for i in range(2))
    return seen(view, Box(left, top, window[0], window[1]), size)


def between(smallest: float, largest: float, rng: Rng) -> float:
    """A random factor between two, its logarithm evenly distributed."""
    return float(smallest * math.pow(largest / smallest, rng.random()))


def spot(mask: Array, rng: Rng, around: Around) -> tuple[int, int] | None:
    """Column and row of a pixel of a class, rare classes first; None if all is ignored."""
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:IGNORE])
    if not len(present):
        return None
    number = present[choice(around.rarity(present), rng)]
    pixels = np.flatnonzero(mask.ravel() == number)
    row, column = divmod(int(pixels[rng.integers(len(pixels))]), mask.shape[1])
    return column, row


def choice(weights: Array, rng: Rng) -> int:
    """The index of one of some weights, which add up to 1."""
    return min(int(np.searchsorted(np.cumsum(weights), rng.random(), side="right")), len(weights) - 1)


def place(length: int, window: int, on: int | None, rng: Rng) -> int:
    """Where a window begins along a side: within the image, or around it if larger; `on` is then in the window."""
    least, most = min(0, length - window), max(0, length - window)
    if on is not None:
        least, most = max(least, on - window + 1), min(most, on)
    return int(rng.integers(least, most + 1))


def crop(view: View, step: Crop, rng: Rng, around: Around) -> View:
    """Crop and scale back."""
    side = math.sqrt(step.area + (1 - step.area) * rng.random())
    width, height = (max(1, round(length * side)) for length in view.size)
    left, top = place(view.size[0], width, None, rng), place(view.size[1], height, None, rng)
    return seen(view, Box(left, top, width, height), view.size)


def fitted(view: View, size: Size, rng: Rng) -> View:
    """Crop, or fill up, to a size at a random place; a view of this size stays as it is."""
    if view.size == size:
        return view
    left, top = (place(view.size[i], size[i], None, rng) for i in range(2))
    return seen(view, Box(left, top, *size), size)


def seen(view: View, box: Box, size: Size) -> View:
    """What a window shows, scaled to a size.

    Args:
        view: Image and labels.
        box: The window; the image must be in it, at least in part.
        size: Width and height of the result.

    Returns:
        The window's contents; what is outside the image is black and ignored, and belongs to no instance.
    """
    spans = [
        _span(length, first, window, result)
        for length, first, window, result in zip(view.size, box[:2], box[2:], size, strict=True)
    ]
    (source_x, target_x), (source_y, target_y) = spans
    source, target = (source_y, source_x), (target_y, target_x)
    within = target_x.stop - target_x.start, target_y.stop - target_y.start
    instances = None if view.instances is None else resized(view.instances[source], within)
    part = View(_resized_image(view.image[source], within), resized(view.mask[source], within), instances)
    if within == size:
        return part
    whole = empty(view, size)
    whole.image[target], whole.mask[target] = part.image, part.mask
    if whole.instances is not None:
        whole.instances[target] = part.instances
    return whole


def _span(length: int, first: int, window: int, result: int) -> tuple[slice, slice]:
    """Along one side: which pixels of the image a window shows, and where they are in the result."""
    start, stop = max(first, 0), min(first + window, length)
    begin, end = ((2 * (edge - first) * result + window) // (2 * window) for edge in (start, stop))  # rounded
    begin = min(begin, result - 1)
    return slice(start, stop), slice(begin, max(end, begin + 1))


def _resized_image(image: Array, size: Size) -> Array:
    return image if image.shape[1::-1] == size else resize_image(image, *size)


def resized(labels: Array, size: Size) -> Array:
    """Labels at another size, each that of the nearest pixel."""
    return labels if labels.shape[::-1] == size else resize_labels(np.ascontiguousarray(labels), *size)


def rotate(view: View, step: Rotate, rng: Rng, around: Around) -> View:
    """Rotate around the centre."""
    return turned(view, step.degrees * (2 * rng.random() - 1))


def turned(view: View, degrees: float) -> View:
    """Rotate a view around its centre, anticlockwise."""
    columns, rows = grid(view.size)
    middle_x, middle_y = (view.size[0] - 1) / 2, (view.size[1] - 1) / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = columns - middle_x, rows - middle_y
    return warped(view, cos * x - sin * y + middle_x, sin * x + cos * y + middle_y)


def grid(size: Size) -> tuple[Array, Array]:
    """A row of column numbers and a column of row numbers, which NumPy combines to all positions."""
    return np.arange(size[0], dtype=np.float64)[None, :], np.arange(size[1], dtype=np.float64)[:, None]


def warped(view: View, x: Array, y: Array) -> View:
    """Take each pixel of the result from a position in a view.

    Args:
        view: Image and labels.
        x: For each pixel of the result, the column that it comes from; whole numbers are pixel centres.
        y: The row that it comes from.
    """
    width, height = view.size
    # Two pixels beyond the image all is alike, and 16 bits hold no more.
    across, down = (
        np.floor(np.clip(at, -2, length + 1) * PARTS + 0.5).astype(np.int32) for at, length in ((x, width), (y, height))
    )
    whole = np.stack([across >> 5, down >> 5], axis=-1).astype(np.int16)
    parts = ((down & (PARTS - 1)) * PARTS + (across & (PARTS - 1))).astype(np.uint16)
    image = cv2.remap(view.image, whole, parts, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    columns, rows = (across + PARTS // 2) >> 5, (down + PARTS // 2) >> 5
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    index = np.where(inside, rows * width + columns, 0)
    mask = np.where(inside, view.mask.ravel()[index], np.uint8(IGNORE))
    instances = None if view.instances is None else np.where(inside, view.instances.ravel()[index], np.uint16(0))
    return View(image, mask, instances)


def perspective(view: View, step: Perspective, rng: Rng, around: Around) -> View:
    """Move each corner of the image inwards by a random share of the sides."""
    shifts = rng.random((4, 2)) * step.shift
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    return tilted(view, (ends + shifts * (1 - 2 * ends)).tolist())


def tilted(view: View, corners: list[list[float]]) -> View:
    """Map the image to a quadrilateral.

    The map from the unit square is Heckbert's (1989) in closed form, then inverted by its adjugate: plain arithmetic
    is the same everywhere, a solver of linear equations is not.

    Args:
        view: Image and labels.
        corners: Where the upper left, upper right, lower right and lower left corner go, in shares of the sides.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    dx1, dx2, dx3 = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, dy3 = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    scale = dx1 * dy2 - dx2 * dy1
    g, h = (dx3 * dy2 - dx2 * dy3) / scale, (dx1 * dy3 - dx3 * dy1) / scale
    a, b, c = x1 - x0 + g * x1, x3 - x0 + h * x3, x0
    d, e, f = y1 - y0 + g * y1, y3 - y0 + h * y3, y0
    (width, height), (columns, rows) = view.size, grid(view.size)
    u, v = (columns + 0.5) / width, (rows + 0.5) / height
    across = (e - f * h) * u + (c * h - b) * v + (b * f - c * e)
    down = (f * g - d) * u + (a - c * g) * v + (c * d - a * f)
    depth = (d * h - e * g) * u + (b * g - a * h) * v + (a * e - b * d)
    before = depth * (a * (e - f * h) + b * (f * g - d) + c * (d * h - e * g)) > 0  # the rest is behind the eye
    depth = np.where(before, depth, 1)
    x, y = (np.where(before, at / depth * side - 0.5, -2) for at, side in ((across, width), (down, height)))
    return warped(view, x, y)


def grid_shuffle(view: View, step: GridShuffle, rng: Rng, around: Around) -> View:
    """Exchange equal cells; what remains on the right and at the bottom stays."""
    width, height = view.size[0] // step.columns, view.size[1] // step.rows
    if not width or not height:
        return view
    places = np.arange(view.mask.size).reshape(view.mask.shape)
    order = rng.permutation(step.rows * step.columns)
    source = places.copy()
    for target, origin in enumerate(order):
        (row, column), (from_row, from_column) = divmod(target, step.columns), divmod(int(origin), step.columns)
        top, left, up, back = row * height, column * width, from_row * height, from_column * width
        source[top : top + height, left : left + width] = places[up : up + height, back : back + width]
    instances = None if view.instances is None else view.instances.ravel()[source]
    return View(view.image.reshape(-1, 3)[source], view.mask.ravel()[source], instances)


def cutout(view: View, step: Cutout, rng: Rng, around: Around) -> View:
    """Hide rectangles, which may reach beyond the image."""
    width, height = view.size
    hidden = np.zeros(view.mask.shape, bool)
    for _ in range(int(rng.integers(1, step.count + 1))):
        wide, high = (max(1, round(side * step.side * rng.random())) for side in view.size)
        left, top = int(rng.integers(1 - wide, width)), int(rng.integers(1 - high, height))
        hidden[max(top, 0) : top + high, max(left, 0) : left + wide] = True
    instances = None if view.instances is None else np.where(hidden, np.uint16(0), view.instances)
    image = np.where(hidden[..., None], np.uint8(0), view.image)
    return View(image, np.where(hidden, np.uint8(IGNORE), view.mask), instances)
