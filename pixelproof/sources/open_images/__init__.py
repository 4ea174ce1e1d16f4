"""Open Images' masks: up to 350 kinds of objects, a PNG for each object, listed in a table for each split.

R. Benenson, S. Popov, V. Ferrari: Large-scale interactive object segmentation with human annotators, CVPR, 2019. A mask
is black and white, and may be smaller than its photograph: it is enlarged by nearest neighbours. Where objects overlap,
the smaller is on top. What no mask covers is background, although not all objects have masks.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, UNSPLIT, ClassInfo, Header, Sample
from pixelproof.sources.labels import numbered, read_ids, voc_palette
from pixelproof.sources.layout import CHECK, place, visible
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "open_images"
SPLITS = {"train": "train", "validation": "val", "test": "test"}
MOST = 253  # classes beside the background: masks are 8 bits wide, and 255 is ignored
BACKGROUND = "background"
SITE = "https://storage.googleapis.com/openimages"
PHOTOS = "https://open-images-dataset.s3.amazonaws.com/tar"
GB = 1_000_000_000
DIGITS = "0123456789abcdef"  # images are spread over archives by the first digit of their ids


def _archives(split: str, variants: tuple[str, ...]) -> list[Archive]:
    photos = [f"train_{digit}" for digit in DIGITS] if split == "train" else [split]
    table = f"{split}-annotations-object-segmentation"
    masks = [f"{split}-masks-{digit}" for digit in DIGITS]
    return [
        *(Archive(name, f"{PHOTOS}/{name}.tar.gz", 80 * GB, variants=variants) for name in photos),
        Archive(table, f"{SITE}/v5/{table}.csv", 2 * GB, variants=variants),
        *(Archive(name, f"{SITE}/v5/{split}-masks/{name}.zip", 4 * GB, variants=variants) for name in masks),
    ]


FACTS = Facts(
    name=NAME,
    licence="labels: CC BY 4.0; photographs: listed as CC BY 2.0",
    classes=(ClassInfo(0, BACKGROUND, (0, 0, 0)),),
    url="https://storage.googleapis.com/openimages/web/download_v7.html",
    note=(
        "Each image is a group. The first variant is the validation split alone, which prepare divides; `full` has the "
        "published splits. Classes are the kinds of objects that have masks, the 253 most frequent of them; others are "
        "ignored."
    ),
    archives=(
        Archive("class-descriptions-boxable", f"{SITE}/v5/class-descriptions-boxable.csv", GB),
        *_archives("validation", ("validation", "full")),
        *_archives("train", ("full",)),
        *_archives("test", ("full",)),
    ),
    first="validation",
    others={"full": (ClassInfo(0, BACKGROUND, (0, 0, 0)),)},
)


@dataclass(frozen=True)
class Item:
    """A photograph, and the labels and masks of its objects."""

    image: Path
    objects: list[tuple[str, Path]]


def convert(request: Request, target: Path) -> None:
    """Write all images that have masks.

    Raises:
        DataError: A table is wrong, or a photograph or a mask that it names is missing.
    """
    variant, root = FACTS.variant(request.variant), request.archive
    assert root is not None  # because there are archives
    files = {path.name: path for ending in ("**/*.png", "**/*.jpg") for path in visible(root, ending)}
    wanted = {"validation": UNSPLIT} if variant == "validation" else SPLITS
    splits = {
        split: _items(place(root, f"{name}-annotations-object-segmentation.csv"), files)
        for name, split in wanted.items()
    }
    counts = Counter(label for items in splits.values() for item in items for label, _ in item.objects)
    kept = sorted(counts, key=lambda label: (-counts[label], label))[:MOST]
    names = _names(place(root, "class-descriptions-boxable.csv"), kept)
    colors = voc_palette(len(kept) + 1)
    classes = (BACKGROUND, *(names[label] for label in sorted(kept, key=lambda label: names[label])))
    header = Header(NAME, tuple(ClassInfo(n, c, colors[n], n > 0) for n, c in enumerate(classes)), (FACTS.source,))
    table = {label: classes.index(names[label]) for label in kept}
    write_dataset(target, header, splits, partial(_read, table=table), request)


def _items(path: Path, files: dict[str, Path]) -> list[Item]:
    """The images of a table, with their objects in its order."""
    objects: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file, strict=True), start=2):
                if row["MaskPath"] not in files:
                    raise DataError(f"{path}:{number}", f"the mask {row['MaskPath']}", "no such file", CHECK)
                objects[row["ImageID"]].append((row["LabelName"], files[row["MaskPath"]]))
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        found = f"{type(error).__name__} {error}"
        raise DataError(path, "columns MaskPath, ImageID and LabelName", found, CHECK) from None
    if not objects:
        raise DataError(path, "a line for each mask", "none", CHECK)
    for name in objects:
        if f"{name}.jpg" not in files:
            raise DataError(path, f"the photograph {name}.jpg", "no such file", CHECK)
    return [Item(files[f"{name}.jpg"], objects[name]) for name in sorted(objects)]


def _names(path: Path, labels: list[str]) -> dict[str, str]:
    """The names of labels such as /m/01g317."""
    with path.open(newline="", encoding="utf-8") as file:
        known = {row[0]: row[1] for row in csv.reader(file) if len(row) == 2}
    if missing := [label for label in labels if label not in known]:
        raise DataError(path, f"the name of {missing[0]}", "none", CHECK)
    return known


def _read(item: Item, table: dict[str, int]) -> Labelled:
    image, height, width = photo(item.image)
    mask, instances = np.zeros((height, width), np.uint8), np.zeros((height, width), np.int32)
    areas = []
    for number, (label, path) in enumerate(item.objects, start=1):
        area = read_ids(path) > 0
        if area.shape != (height, width):
            area = cv2.resize(area.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        areas.append((int(area.sum()), number, label, area))
    for _, number, label, area in sorted(areas, key=lambda each: (-each[0], each[1])):
        mask[area] = table.get(label, IGNORE)
        instances[area] = number if label in table else 0
    sample = Sample(item.image.stem, item.image.stem, width, height, NAME)
    return Labelled(sample, image, mask, numbered(instances))
