"""Aerial images of Dubai: 72 satellite photographs in 8 tiles of 9, by Humans in the Loop with the MBRSC.

The colours of classes.json in the archive are in none of its masks; those below are. Black is documented nowhere, and
covers 0.6 %: it is ignored like what is unlabelled. 18 masks are palettes, 54 are RGB.
"""

from __future__ import annotations

from pathlib import Path

from pixelproof.data.dataset import IGNORE, UNSPLIT, ClassInfo, Sample
from pixelproof.sources.labels import classes_of, packed, read_colors
from pixelproof.sources.pairs import Pair, find_pairs
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "dubai"
CLASSES = (
    ClassInfo(0, "land", (132, 41, 246)),
    ClassInfo(1, "water", (226, 169, 41)),
    ClassInfo(2, "building", (60, 16, 152)),
    ClassInfo(3, "vegetation", (254, 221, 58)),
    ClassInfo(4, "road", (110, 193, 228)),
)
UNLABELLED, BLACK = (155, 155, 155), (0, 0, 0)
FACTS = Facts(
    name=NAME,
    licence="CC0 1.0",
    classes=CLASSES,
    url="https://www.kaggle.com/datasets/humansintheloop/semantic-segmentation-of-aerial-imagery",
    images=72,
    note=(
        "No split is published. A group is a tile: its nine images are parts of one photograph. The colours of the "
        "archive's classes.json are in no mask; black, which it does not list, is ignored."
    ),
    archives=(
        Archive(
            name="dubai-aerial",
            url="",
            bytes=31_038_995,
            folder="Semantic segmentation dataset",
            digest="4be53271ab1eee7b6e1ad8a262caaf5c0f25ca57c00059a91b9941ad8530da69",
            max_files=200,
            max_bytes=50_000_000,
            where="its publisher's page asks for a login: download it there by hand",
        ),
    ),
)
TABLE = {packed(info.color): info.id for info in CLASSES} | {packed(UNLABELLED): IGNORE, packed(BLACK): IGNORE}


def convert(request: Request, target: Path) -> None:
    """Write all images as one split: prepare divides the tiles.

    Raises:
        DataError: A mask holds a colour that is not known, or a file is missing.
    """
    assert request.archive is not None  # because there is an archive
    pairs = find_pairs(request.archive)
    write_dataset(target, FACTS.header(), {UNSPLIT: pairs}, _read, request)


def _read(pair: Pair) -> Labelled:
    image, height, width = photo(pair.image)
    mask = classes_of(pair.mask, read_colors(pair.mask), TABLE, "#{:06X}")
    return Labelled(Sample(pair.id, pair.group, width, height, NAME), image, mask)
