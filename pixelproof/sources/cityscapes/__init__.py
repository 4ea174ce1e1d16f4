"""Cityscapes, finely labelled: 3475 images from a car in 21 cities, with instances.

M. Cordts et al.: The Cityscapes dataset for semantic urban scene understanding, CVPR, 2016. Names, ids, train ids and
colours are those of cityscapesscripts/helpers/labels.py in https://github.com/mcordts/cityscapesScripts. `labelIds`
hold ids; `instanceIds` hold 1000 * id + number for each object, and the id alone for groups that cannot be counted.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, ClassInfo, Header, Sample
from pixelproof.fetch.login import Login
from pixelproof.sources.labels import classes_of, numbered, read_ids
from pixelproof.sources.layout import CHECK, place, visible
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "cityscapes"
SPLITS = ("train", "val")
PHOTO, LABELS, OBJECTS = "_leftImg8bit", "_gtFine_labelIds", "_gtFine_instanceIds"
VOID = 4  # ids below it are no class in any variant: unlabelled, the car itself, what rectification left out


class Label(NamedTuple):
    """A line of the publisher's table."""

    name: str
    trained: bool  # whether it is one of the 19
    thing: bool
    color: tuple[int, int, int]


LABELLED = (  # from id 4 on
    Label("static", False, False, (0, 0, 0)),
    Label("dynamic", False, False, (111, 74, 0)),
    Label("ground", False, False, (81, 0, 81)),
    Label("road", True, False, (128, 64, 128)),
    Label("sidewalk", True, False, (244, 35, 232)),
    Label("parking", False, False, (250, 170, 160)),
    Label("rail track", False, False, (230, 150, 140)),
    Label("building", True, False, (70, 70, 70)),
    Label("wall", True, False, (102, 102, 156)),
    Label("fence", True, False, (190, 153, 153)),
    Label("guard rail", False, False, (180, 165, 180)),
    Label("bridge", False, False, (150, 100, 100)),
    Label("tunnel", False, False, (150, 120, 90)),
    Label("pole", True, False, (153, 153, 153)),
    Label("polegroup", False, False, (153, 153, 153)),
    Label("traffic light", True, False, (250, 170, 30)),
    Label("traffic sign", True, False, (220, 220, 0)),
    Label("vegetation", True, False, (107, 142, 35)),
    Label("terrain", True, False, (152, 251, 152)),
    Label("sky", True, False, (70, 130, 180)),
    Label("person", True, True, (220, 20, 60)),
    Label("rider", True, True, (255, 0, 0)),
    Label("car", True, True, (0, 0, 142)),
    Label("truck", True, True, (0, 0, 70)),
    Label("bus", True, True, (0, 60, 100)),
    Label("caravan", False, True, (0, 0, 90)),
    Label("trailer", False, True, (0, 0, 110)),
    Label("train", True, True, (0, 80, 100)),
    Label("motorcycle", True, True, (0, 0, 230)),
    Label("bicycle", True, True, (119, 11, 32)),
)


def _classes(labels: list[Label]) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(n, label.name, label.color, label.thing) for n, label in enumerate(labels))


def _archive(name: str, package: int, size: int) -> Archive:
    return Archive(
        name=name,
        url=f"https://www.cityscapes-dataset.com/file-handling/?packageID={package}",
        bytes=size,
        max_bytes=3 * size,
        login=Login("https://www.cityscapes-dataset.com/login/", "CITYSCAPES_USERNAME", "CITYSCAPES_PASSWORD"),
    )


FACTS = Facts(
    name=NAME,
    licence="non-commercial, by the publisher's own terms",
    classes=_classes([label for label in LABELLED if label.trained]),
    url="https://www.cityscapes-dataset.com/license/",
    images=3475,
    note=(
        "Published splits, by city; a city is a group. The labels of the test split are not public: there is no test "
        "split, and val is what papers report."
    ),
    archives=(_archive("leftImg8bit_trainvaltest", 3, 11_000_000_000), _archive("gtFine_trainvaltest", 1, 241_000_000)),
    first="train-ids",
    others={"all": _classes(list(LABELLED))},
    consent=True,
)


def convert(request: Request, target: Path) -> None:
    """Write train and val.

    Raises:
        DataError: An image has no labels, or a label is unknown.
    """
    photos, labels = place(request.archive, "leftImg8bit"), place(request.archive, "gtFine")
    splits = {split: _pairs(photos / split, labels / split) for split in SPLITS}
    header = FACTS.header(request.variant)
    write_dataset(target, header, splits, partial(_read, table=_table(header)), request)


def _table(header: Header) -> dict[int, int]:
    """The class of each id."""
    numbers = {info.name: info.id for info in header.classes}
    known = {VOID + n: numbers.get(label.name, IGNORE) for n, label in enumerate(LABELLED)}
    return dict.fromkeys(range(VOID), IGNORE) | known


def _pairs(photos: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Each image with the beginning of the paths of its labels."""
    images = visible(photos, f"*/*{PHOTO}.png")
    found = [(path, labels / path.parent.name / path.stem.removesuffix(PHOTO)) for path in images]
    wanted = {f"{start}{LABELS}.png" for _, start in found}
    extra = {str(path) for path in visible(labels, f"*/*{LABELS}.png")} - wanted
    if not found or extra:
        raise DataError(
            min(extra, default=str(photos)), "images with labels", "labels alone" if extra else "none", CHECK
        )
    return found


def _read(item: tuple[Path, Path], table: dict[int, int]) -> Labelled:
    path, start = item
    labels, objects = (Path(f"{start}{end}.png") for end in (LABELS, OBJECTS))
    image, height, width = photo(path)
    mask, numbers = classes_of(labels, read_ids(labels), table), read_ids(objects).astype(np.int32)
    if numbers.shape != mask.shape:
        raise DataError(objects, f"the size of {labels.name}", f"{numbers.shape}", CHECK)
    counted = (numbers >= 1000) & (mask != IGNORE)
    name = path.stem.removesuffix(PHOTO)
    sample = Sample(name, path.parent.name, width, height, NAME)
    return Labelled(sample, image, mask, numbered(np.where(counted, numbers, 0)))
