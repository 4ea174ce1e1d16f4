"""Which shape suits some images: what `init` proposes for `prepare.shape`, and why."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelproof.core.params import check_moved, pick
from pixelproof.data.shape import Mode, Shape, scaled_size

Size = tuple[int, int]  # width, height
Seen = tuple[Size, float]  # the size of an image, and the area in pixels of an object in it

WHOLE = 512  # pixels: images whose longer side is no longer are small enough to train on as they are
LEGIBLE = 8  # pixels: objects of a smaller side are hardly learnt
ROOMY = 32  # pixels: COCO calls smaller objects small; scaling down is proposed while every class's median keeps it
LEAST = 16  # pixels: the smallest side of a shape
TILES = (256, 512)  # sides of tiles
OVERLAP = 8  # of a tile's side: a share of 1/8
STEP = 32  # networks pad images to multiples of it


@dataclass(frozen=True)
class Proposal:
    """A shape, and what speaks for it: lines to print, warnings among them."""

    mode: Mode
    width: int
    height: int
    overlap: int
    reasons: list[str]

    @property
    def shape(self) -> Shape:
        """As in params.yaml."""
        return Shape(mode=self.mode, width=self.width, height=self.height, overlap=self.overlap)


def propose(sizes: Sequence[Size], objects: Mapping[str, Sequence[Seen]]) -> Proposal:
    """A shape for images of these sizes, with these objects by class.

    Images are never squashed, and shrunk only as far as their objects stay legible; else they are cut into tiles.

    Args:
        sizes: Of each image, at least one.
        objects: By class, those of all images; a class without objects has no say.
    """
    kinds, longest, frame = len(set(sizes)), max(max(size) for size in sizes), _frame(sizes)
    least, side = _least(objects, frame)
    if longest <= WHOLE and kinds == 1 and min(sizes[0]) < LEAST:
        shape = _shape("fit", *sizes[0])
        small = f"all {len(sizes)} images are {sizes[0][0]}x{sizes[0][1]}, below {LEAST} pixels"
        why = f"{small}: the aspect is kept, and the rest is padded"
    elif longest <= WHOLE and kinds == 1:
        shape = _shape("stretch", *sizes[0])
        why = f"all {len(sizes)} images are {sizes[0][0]}x{sizes[0][1]}: nothing is scaled"
    elif longest <= WHOLE:
        shape = _shape("fit", max(w for w, _ in sizes), max(h for _, h in sizes))
        why = f"{kinds} sizes up to {longest} pixels: their aspects are kept, and the rest is padded"
    elif side >= ROOMY:
        shape = frame
        why = f"images are up to {longest} pixels long; scaled down, the median {least} still has {side:.0f} in side"
    else:
        shape = _shape("tile", tile := _tile(objects), tile, tile // OVERLAP)
        lost = f"the median {least} would be {side:.1f} pixels in side" if least else "details would be lost"
        why = f"images are up to {longest} pixels long; scaled to {WHOLE}, {lost}: they are cut into tiles instead"
    said = [f"prepare.shape: {described(shape)}: {why}", covered(sizes, shape), *too_small(_medians(objects, shape))]
    return Proposal(shape.mode, shape.width, shape.height, shape.overlap, said)


def trained_size(values: dict[str, Any]) -> tuple[int, int]:
    """Height and width of the images that networks are trained on, from the contents of params.yaml."""
    check_moved(values)
    return pick(values, "prepare.shape.height"), pick(values, "prepare.shape.width")


def described(shape: Shape) -> str:
    """As one would write it in params.yaml, on one line."""
    return f"{{mode: {shape.mode}, width: {shape.width}, height: {shape.height}, overlap: {shape.overlap}}}"


def covered(sizes: Sequence[Size], shape: Shape) -> str:
    """What a pixel covers after the shape."""
    sides = [covers(size, shape) for size in sizes]
    if max(sides) == min(sides) == 1:
        return "a pixel then covers one pixel of the image, as it was labelled"
    ends = dict.fromkeys(f"{side:.2g}" for side in (min(sides), max(sides)))
    return (
        f"a pixel then covers {' to '.join(ends)} pixels of the image in side (median {statistics.median(sides):.2g})"
    )


def covers(size: Size, shape: Shape) -> float:
    """The side of a pixel after the shape, in pixels of an image of this size."""
    width, height = scaled_size(shape, *size)
    return float((size[0] * size[1] / (width * height)) ** 0.5)


def sides_of(objects: Sequence[Seen], shape: Shape) -> list[float]:
    """The sides of objects (square roots of their areas), in pixels after the shape."""
    return [area**0.5 / covers(size, shape) for size, area in objects]


def _medians(objects: Mapping[str, Sequence[Seen]], shape: Shape) -> dict[str, float]:
    return {name: statistics.median(sides_of(found, shape)) for name, found in objects.items() if found}


def too_small(sides: Mapping[str, float]) -> list[str]:
    """A line that names every class whose objects are hardly learnt, the smallest first; none without such classes.

    Args:
        sides: By class, that of its median object, in pixels of the images that networks are trained on.

    Example:
        >>> too_small({"car": 20.0, "nail": 7.0, "pin": 3.0})
        ['warning: too small to learn, with a median side below 8 pixels: pin (3.0), nail (7.0); prepare.shape decides']
    """
    small = sorted((side, name) for name, side in sides.items() if side < LEGIBLE)
    listed = ", ".join(f"{name} ({side:.1f})" for side, name in small)
    what = f"warning: too small to learn, with a median side below {LEGIBLE} pixels"
    return [f"{what}: {listed}; prepare.shape decides"] if small else []


def _shape(mode: Mode, width: int, height: int, overlap: int = 0) -> Shape:
    return Shape(mode=mode, width=max(width, LEAST), height=max(height, LEAST), overlap=overlap)


def _frame(sizes: Sequence[Size]) -> Shape:
    """The smallest frame that holds every image once its longer side is WHOLE."""
    scaled = [(w * WHOLE / max(w, h), h * WHOLE / max(w, h)) for w, h in sizes]
    width, height = (max(side) for side in zip(*scaled, strict=True))
    return _shape("fit", *(min(WHOLE, STEP * -(-round(side) // STEP)) for side in (width, height)))


def _least(objects: Mapping[str, Sequence[Seen]], shape: Shape) -> tuple[str, float]:
    """The class whose median object is smallest, and its side; nothing of both where no object is known."""
    return min(_medians(objects, shape).items(), key=lambda found: found[1], default=("", 0.0))


def _tile(objects: Mapping[str, Sequence[Seen]]) -> int:
    """The smallest tile that shows nine objects of ten with as much again around them."""
    sides = sorted(area**0.5 for found in objects.values() for _, area in found)
    typical = sides[9 * len(sides) // 10] if sides else TILES[-1]
    return next((side for side in TILES if side >= 2 * typical), TILES[-1])
