"""Steps that move, scale, turn, remove or paste one object: image and labels change alike, and nothing else does.

Objects are the instances of `thing` classes or, where there are none, their connected components. Only whole ones are
moved: not cut off by the image's edge, and beside no other object, which may hide a part of them. Where an object was,
the image is inpainted from the background around, and the label is that of the nearest background. Ignored pixels stay
as they are: they count as being in front.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pixelproof.augmentation.geometry import Box, between, choice, mirrored, seen, turned
from pixelproof.augmentation.steps import MoveObject, Order, Paste, RemoveObject, ScaleObject, TurnObject
from pixelproof.augmentation.view import Around, Rng, View
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array

LEAST = 16  # pixels of an object; smaller ones stay
NEAR = 12  # pixels around a hole, from which it is inpainted
RADIUS = 3  # of inpainting
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class Things:
    """The objects of a view."""

    numbers: Array  # int32: which object each pixel belongs to, 0 = none
    labels: Array  # the class of each number


@dataclass(frozen=True)
class Cut:
    """One object, cut out: a view whose other pixels are ignored, and where it was."""

    view: View
    label: int
    number: int  # its instance id, or 0
    left: int
    top: int


def things(view: View, classes: tuple[int, ...]) -> Things:
    """The objects of some classes: instances if there are any, or else connected components."""
    thing = np.zeros(256, bool)
    thing[list(classes)] = True
    within = thing[view.mask]
    if view.instances is not None and (view.instances[within] > 0).any():
        numbers = np.where(within, view.instances, 0).astype(np.int32)
    else:
        numbers, found = np.zeros(view.mask.shape, np.int32), 0
        for number in classes:
            count, parts = cv2.connectedComponents((view.mask == number).astype(np.uint8), connectivity=8)
            numbers[parts > 0] = parts[parts > 0] + found
            found += count - 1
    labels = np.zeros(int(numbers.max(initial=0)) + 1, np.uint8)
    labels[numbers.ravel()] = view.mask.ravel()
    return Things(numbers, labels)


def drawn(view: View, found: Things, area: float, rng: Rng, around: Around) -> Iterator[int]:
    """The numbers of objects that are not too large, in a random order, those of rare classes first more often."""
    pixels = np.bincount(found.numbers.ravel())
    pixels[0] = 0
    numbers = np.flatnonzero((pixels >= LEAST) & (pixels <= area * view.mask.size))
    while len(numbers):
        classes, counts = np.unique(found.labels[numbers], return_counts=True)
        weights = dict(zip(classes.tolist(), (around.rarity(classes) / counts).tolist(), strict=True))
        at = choice(np.array([weights[int(found.labels[number])] for number in numbers]), rng)
        yield int(numbers[at])
        numbers = np.delete(numbers, at)


def pixels_of(view: View, found: Things, number: int) -> Array:
    """Where an object is."""
    pixels: Array = (found.numbers == number) & (view.mask == found.labels[number])
    return pixels


def whole(view: View, found: Things, pixels: Array) -> bool:
    """Whether an object is all there: inside the image, and beside no other object and nothing ignored."""
    edge = pixels[0].any() or pixels[-1].any() or pixels[:, 0].any() or pixels[:, -1].any()
    if edge:
        return False
    ring = cv2.dilate(pixels.astype(np.uint8), CROSS).astype(bool) & ~pixels
    return not ((found.numbers[ring] > 0) | (view.mask[ring] == IGNORE)).any()


def cut(view: View, found: Things, number: int, pixels: Array) -> Cut:
    """Cut an object out."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    top, left, label = int(rows[0]), int(columns[0]), int(found.labels[number])
    part = slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1)
    mask = np.where(pixels[part], np.uint8(label), np.uint8(IGNORE))
    own = 0 if view.instances is None else int(view.instances[pixels].max())
    return Cut(View(view.image[part], mask), label, own, left, top)


def one(view: View, area: float, rng: Rng, around: Around) -> tuple[View, Cut] | None:
    """A view without one of its whole objects, and that object; None if there is none."""
    found = things(view, around.things)
    for number in drawn(view, found, area, rng, around):
        pixels = pixels_of(view, found, number)
        if whole(view, found, pixels) and (cleared := without(view, found, pixels)):
            return cleared, cut(view, found, number, pixels)
    return None


def without(view: View, found: Things, pixels: Array) -> View | None:
    """A view without an object; None if there is no background nearby to fill the hole with.

    The hole in the image is a pixel wider than the object, whose colour its edge mixes in, but not into other objects.
    """
    hole = cv2.dilate(pixels.astype(np.uint8), CROSS).astype(bool)
    hole &= pixels | ((found.numbers == 0) & (view.mask != IGNORE))
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    part = (
        slice(max(int(rows[0]) - NEAR, 0), int(rows[-1]) + 1 + NEAR),
        slice(max(int(columns[0]) - NEAR, 0), int(columns[-1]) + 1 + NEAR),
    )
    unknown = hole[part] | (found.numbers[part] > 0)
    background = ~unknown & (view.mask[part] != IGNORE)
    if not background.any():
        return None
    image, mask = view.image.copy(), view.mask.copy()
    near = np.ascontiguousarray(image[part])
    image[part][hole[part]] = cv2.inpaint(near, unknown.astype(np.uint8), RADIUS, cv2.INPAINT_NS)[hole[part]]
    mask[part][pixels[part]] = nearest(view.mask[part], background)[pixels[part]]
    instances = None if view.instances is None else np.where(pixels, np.uint16(0), view.instances)
    return View(image, mask, instances)


def nearest(mask: Array, known: Array) -> Array:
    """For each pixel, the label of the nearest known one."""
    _, places = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = np.zeros(int(places.max()) + 1, np.uint8)
    labels[places[known]] = mask[known]
    found: Array = labels[places]
    return found


def put(view: View, piece: Cut, order: Order, things_of: tuple[int, ...]) -> View:
    """Draw an object: over all but ignored pixels, or behind the objects that reach further down."""
    height, width = piece.view.mask.shape
    shape = np.zeros(view.mask.shape, bool)
    top, left = max(piece.top, 0), max(piece.left, 0)
    bottom, right = min(piece.top + height, view.size[1]), min(piece.left + width, view.size[0])
    if top >= bottom or left >= right:
        return view
    part = slice(top, bottom), slice(left, right)
    own = slice(top - piece.top, bottom - piece.top), slice(left - piece.left, right - piece.left)
    shape[part] = (piece.view.mask[own] != IGNORE) & (view.mask[part] != IGNORE)
    if order == "ground":
        lowest = int(np.flatnonzero((piece.view.mask != IGNORE).any(axis=1)).max(initial=0))
        shape &= ~in_front(things(view, things_of).numbers, piece.top + lowest)
    image, mask = view.image.copy(), view.mask.copy()
    image[part][shape[part]] = piece.view.image[own][shape[part]]
    mask[shape] = piece.label
    if view.instances is None:
        return View(image, mask)
    instances = view.instances.copy()
    instances[shape] = piece.number or number_for(view.mask, view.instances, things_of)
    return View(image, mask, instances)


def in_front(numbers: Array, bottom: int) -> Array:
    """The pixels of objects that reach further down than a row."""
    lowest = np.zeros(int(numbers.max(initial=0)) + 1, np.int64)
    lowest[numbers.ravel()] = np.repeat(np.arange(numbers.shape[0]), numbers.shape[1])  # the last one counts
    lowest[0] = -1
    front: Array = lowest[numbers] > bottom
    return front


def number_for(mask: Array, instances: Array, things_of: tuple[int, ...]) -> int:
    """The instance id of one more object; 0 where the objects have none: beside one that has, they would not count."""
    if not instances.any() and np.isin(mask, things_of).any():
        return 0
    return unused(instances)


def unused(instances: Array) -> int:
    """The next instance id or, if the largest is taken, the smallest that is free."""
    if (last := int(instances.max())) < np.iinfo(np.uint16).max:
        return last + 1
    return int(np.setdiff1d(np.arange(1, last + 1), instances)[0])


def resized(piece: Cut, by: float, order: Order) -> Cut:
    """Scale an object, around its centre or, seen by eye, around the middle of where it stands."""
    width, height = (max(1, round(side * by)) for side in piece.view.size)
    view = seen(piece.view, Box(0, 0, *piece.view.size), (width, height))
    lost_x, lost_y = piece.view.size[0] - width, piece.view.size[1] - height
    return replace(
        piece, view=view, left=piece.left + lost_x // 2, top=piece.top + (lost_y if order == "ground" else lost_y // 2)
    )


def move_object(view: View, step: MoveObject, rng: Rng, around: Around) -> View:
    """Move one object, and keep it within the image."""
    if not (found := one(view, step.area, rng, around)):
        return view
    rest, piece = found
    reach = max(1, round(step.distance * min(view.size)))
    left, top = (
        int(rng.integers(max(at - reach, 0), min(at + reach, length - side) + 1))
        for at, length, side in zip((piece.left, piece.top), view.size, piece.view.size, strict=True)
    )
    return put(rest, replace(piece, left=left, top=top), step.order, around.things)


def scale_object(view: View, step: ScaleObject, rng: Rng, around: Around) -> View:
    """Scale one object."""
    if not (found := one(view, step.area, rng, around)):
        return view
    rest, piece = found
    return put(rest, resized(piece, between(step.smallest, step.largest, rng), step.order), step.order, around.things)


def turn_object(view: View, step: TurnObject, rng: Rng, around: Around) -> View:
    """Turn one object around its centre."""
    if not (found := one(view, step.area, rng, around)):
        return view
    rest, piece = found
    (width, height), reach = piece.view.size, math.hypot(*piece.view.size)
    x, y = (math.ceil((reach - length) / 2) + 1 for length in piece.view.size)  # as much on both sides
    size = width + 2 * x, height + 2 * y
    roomy = seen(piece.view, Box(-x, -y, *size), size)
    view = turned(roomy, step.degrees * (2 * rng.random() - 1))
    return put(rest, replace(piece, view=view, left=piece.left - x, top=piece.top - y), step.order, around.things)


def remove_object(view: View, step: RemoveObject, rng: Rng, around: Around) -> View:
    """Remove one object, whole or not."""
    found = things(view, around.things)
    for number in drawn(view, found, step.area, rng, around):
        if cleared := without(view, found, pixels_of(view, found, number)):
            return cleared
    return view


def paste(view: View, step: Paste, rng: Rng, around: Around) -> View:
    """Paste objects of another image."""
    if around.read is None or not around.others:
        return view
    other = around.read(int(rng.integers(around.others)))
    if rng.random() < 0.5:
        other = mirrored(other, 1)
    found, count = things(other, around.things), int(rng.integers(1, step.count + 1))
    for number in drawn(other, found, step.area, rng, around):
        pixels = pixels_of(other, found, number)
        if not count:
            break
        if whole(other, found, pixels):
            piece = resized(cut(other, found, number, pixels), between(step.smallest, step.largest, rng), step.order)
            left = int(rng.integers(max(view.size[0] - piece.view.size[0], 0) + 1))
            top = int(rng.integers(max(view.size[1] - piece.view.size[1], 0) + 1))
            top = piece.top if step.order == "ground" else top
            view, count = put(view, replace(piece, number=0, left=left, top=top), step.order, around.things), count - 1
    return view
