"""Draws the labels of one image: a mask of class ids and a map of instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import ClassInfo
from pixelproof.data.images import Array
from pixelproof.data.outlines import area
from stages.cvat.archive import AGAIN
from stages.cvat.model import Annotated, Painted, Shape
from stages.cvat.pixels import decoded


@dataclass(frozen=True)
class Palette:
    """What labels are drawn as."""

    ids: Mapping[str, int]  # of the classes, by label
    things: Sequence[bool]  # by id: whether its objects are counted
    background: int  # the value of pixels that no shape covers

    @staticmethod
    def of(classes: Sequence[ClassInfo], background: int) -> Palette:
        """That of a dataset's classes."""
        return Palette({info.name: info.id for info in classes}, [info.thing for info in classes], background)


def draw(shapes: Sequence[Shape], width: int, height: int, palette: Palette) -> tuple[Array, Array]:
    """Draw shapes: a higher z lies on top, ties go to the later shape.

    Shapes of one label in one group are one instance; a crowd has a label and is none.

    Args:
        shapes: Each with a label of the palette.
        width: Of the image.
        height: Of the image.
        palette: What labels are drawn as.

    Returns:
        The mask of class ids, and the instances, numbered 1, 2, 3, ... in the shapes' order; 0: none.
    """
    mask = np.full((height, width), palette.background, np.uint8)
    instances = np.zeros((height, width), np.uint32)
    numbers: dict[tuple[str, int], int] = {}
    numbered = []
    for place, shape in enumerate(shapes):
        key = (shape.label, shape.group) if shape.group else ("", -place)
        numbered.append((shape, numbers.setdefault(key, len(numbers) + 1)))
    for shape, number in sorted(numbered, key=lambda pair: pair[0].z):
        window, inside = area(shape.outline, width, height)
        label = palette.ids[shape.label]
        np.copyto(mask[window], label, where=inside)
        np.copyto(instances[window], number if palette.things[label] and not shape.crowd else 0, where=inside)
    return mask, _renumbered(instances)


def draw_painted(
    where: str, image: Annotated, painted: Painted, read: Callable[[str], bytes], palette: Palette
) -> tuple[Array, Array | None]:
    """Labels that are pictures: each colour a class, in a second picture each colour an object.

    Args:
        where: Names the export in errors.
        image: The image that the labels are of.
        painted: The pictures, and what their colours mean.
        read: Gives the content of a member of the export.
        palette: What labels are drawn as.

    Returns:
        The mask of class ids, and the instances; None if no picture tells objects apart.

    Raises:
        DataError: A picture is damaged, has another size than the image, or a colour that means nothing.
    """
    colours, found = _colours(where, image, painted.classes, read)
    meanings = {_packed(colour): label for colour, label in painted.colours.items()}
    values = np.zeros(len(found), np.uint8)
    for at, colour in enumerate(found):
        if colour not in meanings:
            pixels = int(np.count_nonzero(colours == at))
            raise DataError(
                f"{where}: {painted.classes}", f"the {len(meanings)} colours that the export lists",
                f"{_rgb(colour)} in {pixels} pixels", "list this colour, or export again without loss (PNG, not JPEG)",
            )  # fmt: skip
        label = meanings[colour]
        values[at] = palette.background if label is None else palette.ids[label]
    mask: Array = values[colours]
    if painted.objects is None:
        return mask, None
    objects, listed = _colours(where, image, painted.objects, read)
    countable = np.array([*palette.things, *[False] * (256 - len(palette.things))])
    one = objects.astype(np.int64) * 256 + mask + 1  # one colour over two classes is an object of each
    one[~countable[mask] | (np.array([colour == 0 for colour in listed])[objects])] = 0
    return mask, _renumbered(one)


def _colours(where: str, image: Annotated, member: str, read: Callable[[str], bytes]) -> tuple[Array, list[int]]:
    """A picture as indices into the list of its colours."""
    picture = decoded(f"{where}: {member}", read(member))
    if picture.shape[:2] != (image.height, image.width):
        found = f"{picture.shape[1]}x{picture.shape[0]}"
        raise DataError(f"{where}: {member}", f"the size of its image, {image.width}x{image.height}", found, AGAIN)
    packed = picture.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)  # OpenCV has blue first
    there = np.zeros(1 << 24, bool)
    there[packed] = True
    colours = np.flatnonzero(there)
    numbers = np.zeros(1 << 24, np.int32)
    numbers[colours] = np.arange(len(colours))
    return numbers[packed], colours.tolist()


def _packed(colour: tuple[int, int, int]) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _rgb(packed: int) -> str:
    return f"#{packed:06x}"


def _renumbered(instances: Array) -> Array:
    """The instances numbered 1, 2, 3, ...: hidden shapes leave gaps."""
    there = np.bincount(instances.ravel()) > 0
    there[0] = False
    count = int(there.sum())
    kind = np.uint16 if count < 1 << 16 else np.uint32  # who writes them refuses more than 16 bits hold
    if count == len(there) - 1:
        return instances.astype(kind)
    numbers = np.where(there, np.cumsum(there), 0).astype(kind)
    renumbered: Array = numbers[instances]
    return renumbered
