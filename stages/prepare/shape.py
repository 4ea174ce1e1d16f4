"""Gives images the shape that params.yaml asks for: image, mask and instances alike, nothing lost in silence.

Where something is padded, it is on the right and at the bottom, as networks pad too: an image's own pixels keep their
places. Padding is black, ignored, and of no instance.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, Sample
from pixelproof.data.images import Array
from pixelproof.data.resize import pad, resize_image, resize_labels, resize_sample
from pixelproof.data.shape import Shape, scaled_size


@dataclass(frozen=True)
class Piece:
    """An image, or a tile of one, with its labels."""

    sample: Sample
    image: Array
    mask: Array
    instances: Array | None
    own: tuple[int, int]  # rows and columns that are not padding
    file: Path | None = None  # to copy byte for byte where nothing changed

    @classmethod
    def whole(cls, sample: Sample, image: Array, mask: Array, instances: Array | None, file: Path) -> Piece:
        """An image as its source has it."""
        return cls(sample, image, mask, instances, (sample.height, sample.width), file)


def stays(sample: Sample, shape: Shape, split: str) -> bool:
    """Whether an image stays as it is: it has the size already, or is to be scored whole."""
    return (sample.width, sample.height) == (shape.width, shape.height) or (shape.tiled and split != "train")


def shaped(whole: Piece, shape: Shape, split: str) -> Iterator[Piece]:
    """What becomes of an image: itself, or one of the asked size, or its tiles, row by row."""
    if stays(whole.sample, shape, split):
        yield whole
    elif shape.tiled:
        yield from (tile(whole, x, y, shape) for x, y in shape.grid.corners(whole.sample.height, whole.sample.width))
    else:
        yield framed(whole, shape)


def framed(whole: Piece, shape: Shape) -> Piece:
    """An image scaled to fit the frame, or to cover it; then its centre, padded to the frame."""
    width, height = scaled_size(shape, whole.sample.width, whole.sample.height)
    left, top = max(width - shape.width, 0) // 2, max(height - shape.height, 0) // 2
    centre = slice(top, top + shape.height), slice(left, left + shape.width)
    image = resize_image(whole.image, width, height)[centre]
    mask = resize_labels(whole.mask, width, height)[centre]
    instances = None if whole.instances is None else resize_labels(whole.instances, width, height)[centre]
    return padded(Piece(resize_sample(whole.sample, width, height), image, mask, instances, mask.shape), shape)


def tile(whole: Piece, x: int, y: int, shape: Shape) -> Piece:
    """The tile whose upper left corner is at (x, y); its scale and its group are the image's."""
    of, here = whole.sample, (slice(y, y + shape.height), slice(x, x + shape.width))
    sample = replace(of, id=tile_name(of.id, x, y), parent=of.id, x=x, y=y)
    instances = None if whole.instances is None else whole.instances[here]
    mask = whole.mask[here]
    return padded(Piece(sample, whole.image[here], mask, instances, mask.shape), shape)


def padded(piece: Piece, shape: Shape) -> Piece:
    """The piece at the asked size."""
    width, height = shape.width, shape.height
    return Piece(
        replace(piece.sample, width=width, height=height),
        pad(piece.image, width, height, 0),
        pad(piece.mask, width, height, IGNORE),
        None if piece.instances is None else pad(piece.instances, width, height, 0),
        piece.own,
    )


def is_blank_tile(piece: Piece, shape: Shape) -> bool:
    """Whether this is a tile in which nothing is labelled: no network learns anything from it."""
    return shape.tiled and piece.file is None and bool((piece.mask == IGNORE).all())


def check_tile_names(whole: Iterable[Sample], others: Collection[str], shape: Shape) -> None:
    """Refuse images of the train split whose tiles would have the id of another image."""
    for sample in whole if shape.tiled else ():
        if stays(sample, shape, "train"):
            continue
        names = {tile_name(sample.id, x, y) for x, y in shape.grid.corners(sample.height, sample.width)}
        if taken := sorted(names & set(others)):
            raise DataError(sample.id, "tiles with ids of their own", f"{taken[0]!r} twice", "rename that image")


def tile_name(parent: str, x: int, y: int) -> str:
    """The id of the tile at (x, y) of an image."""
    return f"{parent}-{x}-{y}"


@dataclass
class Fate:
    """What the shape did to the images of one split; counted from sizes alone."""

    shape: Shape
    split: str
    done: Counter[str] = field(default_factory=Counter)  # images, by what happened to them
    tiles: Counter[str] = field(default_factory=Counter)  # kept, blank
    pixels: Counter[str] = field(default_factory=Counter)  # scaled, lost; written, padding
    covers: list[float] = field(default_factory=list)  # of each image: the side of a pixel, in pixels of the original
    metres: list[float] = field(default_factory=list)

    def add_image(self, sample: Sample) -> None:
        """Count an image as its source has it."""
        self.done["images"] += 1
        size, frame = (sample.width, sample.height), (self.shape.width, self.shape.height)
        if stays(sample, self.shape, self.split):
            self.done["unchanged"] += 1
            self.covers.append(1.0)
            return
        width, height = scaled_size(self.shape, *size)
        lost = 0 if self.shape.tiled else width * height - min(width, frame[0]) * min(height, frame[1])
        self.done["scaled"] += (width, height) != size
        self.done["stretched"] += self.shape.mode == "stretch" and size[0] * frame[1] != size[1] * frame[0]
        self.done["padded"] += width < frame[0] or height < frame[1]
        self.done["cut"] += lost > 0
        self.done["tiled"] += self.shape.tiled
        self.pixels.update(scaled=width * height, lost=lost)
        self.covers.append((size[0] * size[1] / (width * height)) ** 0.5)

    def add_piece(self, sample: Sample, cut: bool, own: tuple[int, int]) -> None:
        """Count what is written of it: whether it is a new file, and how many rows and columns are not padding."""
        self.tiles["kept"] += self.shape.tiled and cut
        size = sample.width * sample.height
        self.pixels.update(written=size, padding=size - own[0] * own[1])
        if sample.metres_per_pixel is not None:
            self.metres.append(sample.metres_per_pixel)

    def as_json(self) -> dict[str, Any]:
        """For the data card."""
        return {
            **self.shape.model_dump(),
            **{name: self.done[name] for name in ("images", "unchanged", "scaled", "stretched", "padded", "cut")},
            "tiled": self.done["tiled"],
            "tiles": {"kept": self.tiles["kept"], "blank": self.tiles["blank"]},
            "share_lost": _share(self.pixels["lost"], self.pixels["scaled"]),
            "share_padded": _share(self.pixels["padding"], self.pixels["written"]),
            "pixel_covers": _spread(self.covers),
            "metres_per_pixel": _spread(self.metres),
        }

    def notes(self) -> list[str]:
        """The same in words: what a reader of the metrics should know."""
        done, size, images = self.done, f"{self.shape.width}x{self.shape.height}", self.done["images"]
        said = []
        if done["stretched"]:
            said.append(f"{done['stretched']} of {images} images changed their aspect at {size}")
        if done["scaled"]:
            said.append(f"{done['scaled']} of {images} images are scaled: a pixel covers {self._cover()}")
        if done["cut"]:
            said.append(
                f"{done['cut']} of {images} images are cut to {size}: {self._percent('lost', 'scaled')} are lost"
            )
        if done["tiled"]:
            said.append(
                f"{done['tiled']} of {images} images are cut into {self.tiles['kept']} tiles of {size}, without"
                f" {self.tiles['blank']} in which nothing is labelled; what is counted here are tiles and their"
                " pixels: what lies in two counts twice"
            )
        if done["padded"]:
            share = self._percent("padding", "written")
            said.append(f"{done['padded']} of {images} images are padded to {size}: {share} are padding, ignored")
        return said

    def _cover(self) -> str:
        """The side of a pixel, in pixels of the original and on the ground."""
        ends = dict.fromkeys(f"{side:.2g}" for side in (min(self.covers), max(self.covers)))
        metres = _spread(self.metres)
        ground = f", {metres['median']:.2g} m on the ground (median)" if metres else ""
        return f"{' to '.join(ends)} pixels of the original in side{ground}"

    def _percent(self, part: str, whole: str) -> str:
        return f"{100 * (_share(self.pixels[part], self.pixels[whole]) or 0):.1f} % of the pixels"


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    found = {"least": min(values), "median": statistics.median(values), "most": max(values)}
    return {name: round(value, 6) for name, value in found.items()}
