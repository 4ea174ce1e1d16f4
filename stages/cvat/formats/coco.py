"""COCO 1.0: annotations/instances_<subset>.json with polygons and run lengths, images/<subset>/."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from pixelproof.core.errors import DataError
from pixelproof.data.coco import is_whole, outline_of
from stages.cvat.archive import Export
from stages.cvat.formats import checks
from stages.cvat.formats.checks import AGAIN
from stages.cvat.formats.pictures import check_size, is_picture, photograph, unnamed
from stages.cvat.model import Annotated, Parsed, Shape

NAME = "COCO 1.0"
# The files of one subset, the first that there is being the one that is drawn: the others repeat its images.
TASKS = ("instances", "stuff", "person_keypoints", "captions", "labels", "image_info", "panoptic")
TASK = re.compile(rf"({'|'.join(TASKS)})_(.+)", re.DOTALL)
KEYS = tuple(re.compile(rb'"%s"\s*:\s*\[' % key) for key in (b"images", b"annotations", b"categories"))
PANOPTIC = "export as COCO instances, 'COCO 1.0' in CVAT"
DATUMARO = [{"name": "", "id": 0, "url": ""}]  # the licences in files that Datumaro writes, and so CVAT


@dataclass
class _Image:
    """An image while its annotations are read."""

    image: Annotated
    where: str
    shapes: list[Shape] = field(default_factory=list)


def matches(export: Export) -> bool:
    """Whether the export has a JSON file with COCO's lists.

    Args:
        export: The open export.
    """
    return any(_is_coco(export, member) for member in checks.json_members(export))


def read(export: Export) -> Parsed:
    """The images and areas of every subset.

    Args:
        export: The open export.

    Returns:
        Polygons and masks. Boxes, keypoints, captions and tags are counted, and so are areas of further files of the
        same subset.

    Raises:
        DataError: Something in it is missing or invalid.
    """
    labels: dict[str, str] = {}
    images: list[Annotated] = []
    undrawn = checks.Undrawn()
    notes: Counter[str] = Counter()
    pictures = [member for member in export.lengths if is_picture(member) and not member.startswith("annotations/")]
    for subset, (drawn, *others) in sorted(_files(export).items()):
        for other in others:
            _count(export, other, undrawn, notes)
        document = checks.parse_json(export, drawn)
        where = f"{export.path}: {drawn}"
        if any("segments_info" in each for each in checks.items_of(where, document, "annotations")):
            raise DataError(where, "polygons or masks", "COCO panoptic: its areas are in pictures", PANOPTIC)
        categories = _categories(where, document)
        labels |= dict.fromkeys(categories.values(), "")
        read_images = _images(export, where, document, (drawn, subset), bool(pictures))
        _add_shapes(where, document, categories, read_images, undrawn)
        images += [replace(entry.image, labels=tuple(entry.shapes)) for entry in read_images.values()]
    notes += unnamed(pictures, images)
    return Parsed(NAME, labels, tuple(images), undrawn.counts, undrawn.first, notes)


def _is_coco(export: Export, member: str) -> bool:
    """Two of the three lists suffice: a file that is cut off is COCO's too, and reading it says what is wrong."""
    content = export.read(member)
    return sum(bool(key.search(content)) for key in KEYS) >= 2


def _files(export: Export) -> dict[str, list[str]]:
    """The COCO files of each subset, the one to draw first."""
    found: dict[str, dict[int, str]] = {}
    for member in checks.json_members(export):
        if not _is_coco(export, member):
            continue
        rank, subset = _rank_and_subset(member)
        files = found.setdefault(subset, {})
        if rank in files:
            where, both = f"{export.path}: {member}", f"{files[rank]} as well"
            raise DataError(where, f"one file of the subset {subset!r}", both, "remove one of the two")
        files[rank] = member
    return {subset: [files[rank] for rank in sorted(files)] for subset, files in found.items()}


def _rank_and_subset(member: str) -> tuple[int, str]:
    """`annotations/instances_train.json`, `annotations/train.json` and `train/_annotations.coco.json` are of train."""
    path = PurePosixPath(member)
    if named := TASK.fullmatch(path.stem):
        return TASKS.index(named[1]), named[2]
    folder = path.parent.name
    return 0, path.stem if folder == "annotations" else folder


def _count(export: Export, member: str, undrawn: checks.Undrawn, notes: Counter[str]) -> None:
    """Count the annotations of a file that is not drawn."""
    where = f"{export.path}: {member}"
    for annotation in checks.items_of(where, checks.parse_json(export, member), "annotations"):
        kind = _kind(annotation)
        if kind and kind != "box":
            undrawn.add(kind, where)
        else:
            notes[f"areas of {member} left out: another file has those of its subset"] += 1


def _kind(annotation: Mapping[str, Any]) -> str | None:
    """What an annotation without an area is; None for one with an area."""
    kinds = {"segments_info": None, "caption": "caption", "segmentation": None, "bbox": "box"}
    if annotation.get("keypoints") and not annotation.get("segmentation"):
        return "skeleton"
    return next((kind for key, kind in kinds.items() if annotation.get(key)), "tag")


def _categories(where: str, document: Any) -> dict[int, str]:
    categories: dict[int, str] = {}
    for category in checks.items_of(where, document, "categories"):
        key, name = checks.whole(where, "a category's id", category.get("id")), category.get("name")
        if not isinstance(name, str) or not name:
            raise DataError(where, "categories with names", repr(category)[:60], AGAIN)
        checks.once(where, "category id", key, categories)
        checks.once(where, "category name", name, categories.values())
        categories[key] = name
    return categories


def _images(
    export: Export, where: str, document: Any, file_and_subset: tuple[str, str], any_there: bool
) -> dict[int, _Image]:
    """The images of one file by their ids."""
    file, subset = file_and_subset
    images: dict[int, _Image] = {}
    names: set[str] = set()
    for entry in checks.items_of(where, document, "images"):
        name = entry.get("file_name")  # Label Studio on Windows writes backslashes
        name = checks.name_of(where, name.replace("\\", "/") if isinstance(name, str) else name)
        here = f"{where}: image {name!r}"
        width, height = checks.size_of(here, entry.get("width"), entry.get("height"))
        checks.whole(here, "id", entry.get("id"))
        checks.once(here, "image id", entry["id"], images)
        checks.once(here, "image name", name, names)
        names.add(name)
        folder = PurePosixPath(file).parent
        places = (f"images/{subset}/{name}", f"images/{name}", f"{folder / name}", name, f"{subset}/{name}")
        member = photograph(export, here, places, any_there)
        check_size(export, member, here, (width, height))
        images[entry["id"]] = _Image(Annotated(name, "", subset, width, height, (), member), here)
    return images


def _add_shapes(
    where: str, document: Any, categories: dict[int, str], images: dict[int, _Image], undrawn: checks.Undrawn
) -> None:
    """Give each image its shapes; count the annotations without an area.

    Datumaro, and so CVAT, writes `iscrowd: 1` for every mask, whether or not it is one object: there it only says that
    the annotation is a mask, and each is one object, as in CVAT.
    """
    says_crowd = document.get("licenses") != DATUMARO
    for annotation in checks.items_of(where, document, "annotations"):
        key = annotation.get("image_id")
        if not is_whole(key) or key not in images:
            here = f"{where}: annotation {annotation.get('id')}"
            raise DataError(here, "the id of an image as image_id", repr(key)[:60], AGAIN)
        entry = images[key]
        here = f"{entry.where}: annotation {annotation.get('id')}"
        if kind := _kind(annotation):
            undrawn.add(kind, here)
            continue
        label = checks.label_of(here, annotation.get("category_id"), categories)
        outline = outline_of(here, annotation.get("segmentation"), entry.image.width, entry.image.height)
        entry.shapes.append(Shape(label, outline, crowd=says_crowd and bool(annotation.get("iscrowd"))))
