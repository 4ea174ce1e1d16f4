"""COCO 2017: 123287 photographs with 133 panoptic classes, 171 classes of things and stuff, or 80 kinds of objects.

T.-Y. Lin et al.: Microsoft COCO: common objects in context, ECCV, 2014; A. Kirillov et al.: Panoptic segmentation,
CVPR, 2019; H. Caesar et al.: COCO-Stuff: thing and stuff classes in context, CVPR, 2018.

`panoptic`: a PNG holds the segment of each pixel as red + 256 green + 65536 blue, a JSON the category of each segment.
`stuff`: a PNG holds the category's id less 1, and 255 where there is none. `instances`: a JSON holds polygons and run
lengths; where objects overlap, the smaller is on top. A crowd has its class, and no instance.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, Sample
from pixelproof.data.images import Array
from pixelproof.fetch.unpack import unpack
from pixelproof.sources.coco.annotations import Annotated, annotated, drawn
from pixelproof.sources.coco.classes import PANOPTIC, STUFF, THINGS, classes
from pixelproof.sources.labels import classes_of, exact, numbered, read_ids
from pixelproof.sources.layout import CHECK, paired, place, places, visible
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "coco"
SPLITS = ("train", "val")
SITE = "http://images.cocodataset.org"
LABELS = f"{SITE}/annotations"
STUFF_MAPS = "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip"
GB = 1_000_000_000
FACTS = Facts(
    name=NAME,
    licence="labels: CC BY 4.0; photographs: Flickr's terms of use",
    classes=classes(PANOPTIC),
    url="https://cocodataset.org/#termsofuse",
    images=123_287,
    note=(
        "Published splits; the labels of the test split are not public: there is no test split, and val is what papers "
        "report. Each image is a group."
    ),
    archives=(
        Archive("train2017", f"{SITE}/zips/train2017.zip", 40 * GB, bytes=18 * GB),
        Archive("val2017", f"{SITE}/zips/val2017.zip", 3 * GB, bytes=1 * GB),
        Archive("panoptic_annotations_trainval2017", f"{LABELS}/panoptic_annotations_trainval2017.zip", 3 * GB,
                bytes=821_000_000, variants=("panoptic",)),
        Archive("stuffthingmaps_trainval2017", STUFF_MAPS, 3 * GB, variants=("stuff",)),
        Archive("annotations_trainval2017", f"{LABELS}/annotations_trainval2017.zip", 3 * GB,
                bytes=241_000_000, variants=("instances",)),
    ),
    first="panoptic",
    others={"stuff": classes((*THINGS, *STUFF)), "instances": classes(THINGS, background=True)},
)  # fmt: skip


def convert(request: Request, target: Path) -> None:
    """Write train and val.

    Raises:
        DataError: An image or its labels are missing or wrong.
    """
    variant = FACTS.variant(request.variant)
    root = request.archive
    assert root is not None  # because there are archives
    if variant == "stuff":
        splits: dict[str, list[Any]] = {split: _stuff(root, split) for split in SPLITS}
        read: Any = partial(_read_stuff, table=_numbers((*THINGS, *STUFF), less=1) | {IGNORE: IGNORE})
    elif variant == "instances":
        splits = {split: _annotated(root, "instances", split) for split in SPLITS}
        read = partial(_read_instances, table={number: n for n, number in enumerate(THINGS, start=1)})
    else:
        splits = {split: _panoptic(root, split) for split in SPLITS}
        read = partial(_read_panoptic, table=_numbers(PANOPTIC))
    write_dataset(target, FACTS.header(variant), splits, read, request)


def _numbers(ids: tuple[int, ...], less: int = 0) -> dict[int, int]:
    """The class of each category."""
    return {number - less: n for n, number in enumerate(ids)}


def _photos(root: Path, split: str) -> Path:
    """The folder of a split's photographs: the masks of `stuff` and `panoptic` have folders of the same name."""
    found = [path for path in places(root, f"{split}2017") if next(path.glob("*.jpg"), None)]
    if len(found) != 1:
        raise DataError(root, f"one folder {split}2017 of JPEGs in it", f"{len(found)}", CHECK)
    return found[0]


def _stuff(root: Path, split: str) -> list[tuple[Path, Path]]:
    photos = _photos(root, split)
    maps = [path for path in places(root, f"{split}2017") if next(path.glob("*.png"), None)]
    if len(maps) != 1:
        raise DataError(root, f"one folder {split}2017 of masks in it", f"{len(maps)}", CHECK)
    return paired(visible(photos, "*.jpg"), visible(maps[0], "*.png"))


def _annotated(root: Path, kind: str, split: str) -> list[Annotated]:
    return annotated(place(root, f"{kind}_{split}2017.json"), _photos(root, split))


def _panoptic(root: Path, split: str) -> list[tuple[Annotated, Path]]:
    """Images with their segments and the PNG of these, which is in an archive inside the archive."""
    items = _annotated(root, "panoptic", split)
    name = f"panoptic_{split}2017"
    folders = [path for path in places(root, name) if path.is_dir()]
    inner = folders[0] if folders else unpack(place(root, f"{name}.zip"), name, root / name, 200_000, 3 * GB)
    return [(item, inner / f"{item.image.stem}.png") for item in items]


def _sample(path: Path, height: int, width: int) -> Sample:
    return Sample(path.stem, path.stem, width, height, NAME)


def _read_stuff(item: tuple[Path, Path], table: dict[int, int]) -> Labelled:
    path, labels = item
    image, height, width = photo(path)
    return Labelled(_sample(path, height, width), image, classes_of(labels, read_ids(labels), table))


def _read_panoptic(item: tuple[Annotated, Path], table: dict[int, int]) -> Labelled:
    one, png = item
    image, height, width = photo(one.image)
    red, green, blue = np.moveaxis(np.asarray(exact(png).convert("RGB")).astype(np.int32), 2, 0)
    segments = red + 256 * green + 65536 * blue
    known = {segment["id"]: table.get(segment["category_id"]) for segment in one.labels}
    if None in known.values():
        wrong = next(segment for segment in one.labels if known[segment["id"]] is None)
        raise DataError(png, "a panoptic category", f"{wrong['category_id']} of segment {wrong['id']}", CHECK)
    mask = classes_of(png, segments, {0: IGNORE} | {number: int(n or 0) for number, n in known.items()})
    counted = [segment["id"] for segment in one.labels if segment["category_id"] in THINGS and not segment["iscrowd"]]
    instances = numbered(np.where(np.isin(segments, counted), segments, 0))
    return Labelled(_sample(one.image, height, width), image, mask, instances)


def _read_instances(one: Annotated, table: dict[int, int]) -> Labelled:
    image, height, width = photo(one.image)
    mask, instances = np.zeros((height, width), np.uint8), np.zeros((height, width), np.int32)
    areas: list[tuple[int, int, Array]] = []
    for number, label in enumerate(one.labels, start=1):
        if label["category_id"] not in table:
            raise DataError(one.image, "a category of a thing", f"{label['category_id']}", CHECK)
        area = drawn(one.image, label["segmentation"], height, width)
        areas.append((int(area.sum()), number, area))
    for _, number, area in sorted(areas, key=lambda each: (-each[0], each[1])):
        label = one.labels[number - 1]
        mask[area] = table[label["category_id"]]
        instances[area] = 0 if label.get("iscrowd") else number
    return Labelled(_sample(one.image, height, width), image, mask, numbered(instances))
