"""Your own images with masks, in a folder: ids, palettes or colours, whose classes a file beside them names.

`pixelproof init FOLDER` writes that file, classes.csv, from what it finds; see pixelproof/sources/table.py. See
pixelproof/sources/pairs.py for where images and masks may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import Header, Sample
from pixelproof.data.images import content_of
from pixelproof.data.photos import Measured, NoWindowError, Window, measure
from pixelproof.sources.labels import read_colors, read_ids
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
    read = partial(read_pair, table=table, source=FACTS.name, lossy=request.options["lossy_masks"], window=window)
    try:
        write_dataset(target, Header(FACTS.name, table.classes, (origin,)), splits, read, request)
    except NoWindowError as error:
        found = measured(pair.image for pair in pairs)
        raise found.refusal("download.folder.window") if found else error from None


def measured(images: Iterable[Path]) -> Measured | None:
    """The window that `download.folder.window` is to be, if some images have 16 bits per channel."""
    return measure((str(path), lambda path=path: path.open("rb")) for path in images)  # type: ignore[misc]


def read_pair(pair: Pair, table: Table, source: str, lossy: bool, window: Window | None = None) -> Labelled:
    """One image with its mask as class ids.

    Args:
        pair: Where they are.
        table: What the mask may hold.
        source: The name of the dataset, for the index.
        lossy: Whether a mask may be a JPEG.
        window: How images of 16 bits per channel become 8.

    Raises:
        DataError: The mask is a JPEG and must not be, or holds something else.
    """
    if not lossy and content_of(pair.mask).startswith(JPEG):
        fix = "save masks as PNG, or set download.folder.lossy_masks: true and `within` in classes.csv"
        raise DataError(pair.mask, "a mask without loss", "a JPEG, which blurs the edges of its classes", fix)
    image, height, width = photo(pair.image, window, published=False)
    values = read_colors(pair.mask) if table.colors else read_ids(pair.mask)
    mask = table.ids(pair.mask, values)
    if mask.shape != (height, width):
        found = f"{mask.shape[1]}x{mask.shape[0]}"
        turned = mask.shape == (width, height)  # by EXIF, perhaps, which is not followed here
        fix = "save the image as it is shown, without EXIF's orientation" if turned else "fix the mask"
        raise DataError(pair.mask, f"{width}x{height} pixels as {pair.image.name} has", found, fix)
    return Labelled(Sample(pair.id, pair.group, width, height, source), image, mask)
