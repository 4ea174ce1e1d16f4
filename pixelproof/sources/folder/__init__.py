"""Your own images with masks, in a folder: ids, palettes or colours, whose classes a file beside them names.

`pixelproof init FOLDER` writes that file, classes.csv, from what it finds; see pixelproof/sources/table.py. See
pixelproof/sources/pairs.py for where images and masks may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import Header, Sample
from pixelproof.data.images import Array, content_of
from pixelproof.data.photos import Measured, NoWindowError, Window, measure
from pixelproof.sources.labels import (
    check_not_swapped,
    check_palette,
    has_palette,
    opened,
    palette_of,
    read_colors,
    read_ids,
)
from pixelproof.sources.pairs import Pair, find_pairs
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Facts, Request
from pixelproof.sources.table import Table, read_table
from pixelproof.sources.writing import Labelled, write_dataset

JPEG = b"\xff\xd8"  # how such a file begins
FACTS = Facts("folder", "its owner's")


def convert(request: Request, target: Path) -> None:
    """Convert what `download.folder.path` holds.

    Raises:
        DataError: Its layout, a mask or classes.csv is wrong.
    """
    root = Path(request.options["path"])
    if not root.is_dir():
        raise DataError(root, "a folder of images and masks", "none", "set download.folder.path in params.yaml")
    pairs, table = find_pairs(root), read_table(root)
    splits: dict[str, list[Pair]] = {}
    for pair in pairs:
        splits.setdefault(pair.split, []).append(pair)
    stated = request.options.get("window")
    window = Window(**stated) if stated else None
    origin = FACTS.source | ({"window": str(window)} if window else {})
    reading = Reading(table, FACTS.name, request.options["lossy_masks"], *_first_palette(pairs, table), window)
    read = partial(read_pair, reading=reading)
    try:
        write_dataset(target, Header(FACTS.name, table.classes, (origin,)), splits, read, request)
    except NoWindowError as error:
        found = measured(pair.image for pair in pairs)
        raise found.refusal("download.folder.window") if found else error from None


def measured(images: Iterable[Path]) -> Measured | None:
    """The window that `download.folder.window` is to be, if some images have 16 bits per channel."""
    return measure((str(path), lambda path=path: path.open("rb")) for path in images)  # type: ignore[misc]


@dataclass(frozen=True)
class Reading:
    """How the images and masks of a folder are read."""

    table: Table  # what they may hold
    source: str  # the name of the dataset, for the index
    lossy: bool  # whether they may be JPEGs
    first: Path  # a mask whose palette all others must have, if masks are ids
    palette: list[int]
    window: Window | None = None  # how images of 16 bits per channel become 8


def _first_palette(pairs: list[Pair], table: Table) -> tuple[Path, list[int]]:
    """The first mask that is a palette image, and its colours."""
    first = None if table.colors else next((pair.mask for pair in pairs if has_palette(pair.mask)), None)
    return (first, palette_of(opened(first))) if first else (pairs[0].mask, [])


def read_pair(pair: Pair, reading: Reading) -> Labelled:
    """One image with its mask as class ids.

    Args:
        pair: Where they are.
        reading: How masks are read.

    Raises:
        DataError: The mask is a JPEG and must not be, or holds something else.
    """
    image, height, width = photo(pair.image, reading.window, published=False)
    try:
        mask = read_labels(pair.mask, reading)
    except DataError:
        check_not_swapped(pair.image, pair.mask)
        raise
    if mask.shape != (height, width):
        found = f"{mask.shape[1]}x{mask.shape[0]}"
        turned = mask.shape == (width, height)  # by EXIF, perhaps, which is not followed here
        fix = "save the image as it is shown, without EXIF's orientation" if turned else "fix the mask"
        raise DataError(pair.mask, f"{width}x{height} pixels as {pair.image.name} has", found, fix)
    return Labelled(Sample(pair.id, pair.group, width, height, reading.source), image, mask)


def read_labels(path: Path, reading: Reading) -> Array:
    """A mask as class ids.

    Raises:
        DataError: It is a JPEG and must not be, has another palette than others, or holds something else.
    """
    if not reading.lossy and content_of(path).startswith(JPEG):
        fix = "save masks as PNG, or set download.folder.lossy_masks: true and `within` in classes.csv"
        raise DataError(path, "a mask without loss", "a JPEG, which blurs the edges of its classes", fix)
    values = read_colors(path, reading.lossy) if reading.table.colors else read_ids(path, reading.lossy)
    if reading.palette:
        check_palette(path, values, palette_of(opened(path)), reading.palette, reading.first)
    return reading.table.ids(path, values)
