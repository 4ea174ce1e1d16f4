"""Ultralytics YOLO Segmentation 1.0: data.yaml, labels/<subset>/*.txt with polygons, images/<subset>/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from pixelproof.core.errors import DataError
from pixelproof.data.coco import REDRAW, is_whole, ring
from pixelproof.data.outlines import Polygon
from stages.cvat.archive import Export
from stages.cvat.formats import checks
from stages.cvat.formats.checks import AGAIN
from stages.cvat.formats.pictures import SAVE_IMAGES, is_picture, picture_size, unnamed
from stages.cvat.model import Annotated, Parsed, Shape

NAME = "Ultralytics YOLO Segmentation 1.0"
IMAGES, LABELS = "images", "labels"
SETTINGS = {"path", "names", "nc", "kpt_shape", "flip_idx", "download", "roboflow", "channels"}  # no subsets
NAMES, KEYPOINTS = re.compile(rb"^names\s*:", re.MULTILINE), re.compile(rb"^kpt_shape\s*:", re.MULTILINE)
BOX = 4  # numbers: the centre, the width and the height


def matches(export: Export) -> bool:
    """Whether the export has a YAML file with the classes' names, beside labels or images, and no skeletons.

    Args:
        export: The open export.
    """
    config = config_of(export)
    parts = {part for member in export.lengths for part in PurePosixPath(member).parent.parts}
    return config is not None and not KEYPOINTS.search(export.read(config)) and bool(parts & {IMAGES, LABELS})


def config_of(export: Export) -> str | None:
    """The YAML file with the classes' names: data.yaml, or the first of any other name at the top."""
    found = [name for name in sorted(export.lengths) if "/" not in name and name.lower().endswith((".yaml", ".yml"))]
    found.sort(key=lambda name: name != "data.yaml")
    return next((name for name in found if NAMES.search(export.read(name))), None)


def read(export: Export) -> Parsed:
    """The images that data.yaml names, with their polygons.

    The polygons are fractions of the images' sizes, so the photographs must be there. An image without a text file has
    no labels. Lines with a box are counted; a number after the last point is the id of CVAT's track.

    Args:
        export: The open export.

    Raises:
        DataError: Something in it is missing or invalid.
    """
    if not any(is_picture(member) for member in export.lengths):
        found = "none: the polygons are fractions of their sizes"
        raise DataError(export.path, f"photographs in {IMAGES}/", found, SAVE_IMAGES)
    where = f"{export.path}: {config_of(export)}"
    config = _config(export, where)
    names = _names(where, config.get("names"))
    images: list[Annotated] = []
    texts: dict[str, str] = {}
    undrawn = checks.Undrawn()
    for subset, member in _members(export, where, config):
        name = _name(member, subset)
        here = f"{export.path}: image {name!r}"
        text = _text_of(member)
        if other := texts.get(text):
            fix = "list it in one subset, or rename one of the two"
            raise DataError(here, "each image once", f"{other} and {member}", fix)
        texts[text] = member
        size = picture_size(export, member)
        if size is None:
            raise DataError(f"{here}: {member}", "a picture", "something else", AGAIN)
        shapes = tuple(_shapes(export, text, here, size, names, undrawn)) if text in export.lengths else ()
        images.append(Annotated(name, "", subset, *size, shapes, member))
    _check_all_used(export, texts)
    notes = unnamed(export.lengths, images)
    return Parsed(NAME, dict.fromkeys(names.values(), ""), tuple(images), undrawn.counts, undrawn.first, notes)


def _config(export: Export, where: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(export.read(config_of(export) or "data.yaml"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(
            where, "well-formed YAML", " ".join(f"{type(error).__name__}: {error}".split()), AGAIN
        ) from None
    if not isinstance(config, dict):
        raise DataError(where, "keys and values", repr(config)[:60], AGAIN)
    return config


def _names(where: str, names: Any) -> dict[int, str]:
    """The classes by their ids: a list, or a mapping."""
    known = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(known, dict) or not known or not all(is_whole(key) for key in known):
        raise DataError(where, "the classes under `names`", repr(names)[:60], AGAIN)
    found: dict[int, str] = {}
    for key, name in known.items():
        if not isinstance(name, str | int | float) or not str(name):
            raise DataError(where, "names of classes", repr(name)[:60], AGAIN)
        checks.once(where, "class", str(name), found.values())
        found[key] = str(name)
    return found


def _members(export: Export, where: str, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each photograph with its subset: of a folder, or of a list in a text file."""
    folders = {folder.as_posix() for member in export.lengths for folder in PurePosixPath(member).parents}
    for subset, value in config.items():
        if subset in SETTINGS or value is None:
            continue
        for path in value if isinstance(value, list) else [value]:
            if not isinstance(path, str):
                raise DataError(where, f"folders or lists under {subset!r}", repr(path)[:60], AGAIN)
            place = _placed(path, export.lengths)
            if place and place.endswith(".txt"):
                yield from ((str(subset), member) for member in _listed(export, place))
            elif path.endswith(".txt"):
                raise DataError(where, f"the list {path}", "no such file", AGAIN)
            elif folder := _placed(path, folders):
                inside = (member for member in sorted(export.lengths) if member.startswith(f"{folder}/"))
                yield from ((str(subset), member) for member in inside if is_picture(member))


def _listed(export: Export, file: str) -> Iterator[str]:
    where = f"{export.path}: {file}"
    try:
        lines = export.read(file).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(where, "a text file in UTF-8", str(error), AGAIN) from None
    for line in filter(None, (line.strip() for line in lines)):
        member = _placed(line, export.lengths)
        if member is None:
            raise DataError(where, f"the photograph {line}", "none", SAVE_IMAGES)
        yield member


def _placed(path: str, known: Any) -> str | None:
    """The longest end of a path that exists: the dataset may have been elsewhere, as in `../data/images/train`."""
    parts = [part for part in PurePosixPath(path).parts if part not in (".", "..", "/")]
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in known), None)


def _name(member: str, subset: str) -> str:
    """`a/b.png` of `images/train/a/b.png` and of `train/images/a/b.png`."""
    parts = list(PurePosixPath(member).parts)
    for _ in range(2):
        if len(parts) > 1 and parts[0] in (IMAGES, subset):
            del parts[0]
    return "/".join(parts)


def _text_of(member: str) -> str:
    """The file of an image's labels: `labels` instead of the last `images`."""
    path = PurePosixPath(member).with_suffix(".txt")
    parts = list(path.parts)
    if IMAGES in parts:
        parts[len(parts) - 1 - parts[::-1].index(IMAGES)] = LABELS
    return "/".join(parts)


def _shapes(
    export: Export, text: str, image: str, size: tuple[int, int], names: dict[int, str], undrawn: checks.Undrawn
) -> Iterator[Shape]:
    try:
        lines = export.read(text).decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{image}: {text}", "lines of numbers", str(error), AGAIN) from None
    for number, line in enumerate(lines, 1):
        label, *values = line.split() or [""]
        here = f"{image}: {text}: line {number}"
        if not line.strip():
            continue
        key = int(label) if label.isdigit() and len(label) < 10 else label
        name = checks.label_of(here, key, names)
        values = values[: len(values) // 2 * 2]
        if len(values) == BOX:
            undrawn.add("box", here)
            continue
        yield Shape(name, Polygon((_ring(here, values, *size),)))


def _ring(where: str, values: list[str], width: int, height: int) -> Any:
    try:
        fractions = [float(value) for value in values]
    except ValueError as error:
        raise DataError(where, "numbers", str(error)[:80], REDRAW) from None
    sides = (width, height)
    return ring(where, [value * sides[place % 2] for place, value in enumerate(fractions)], width, height)


def _check_all_used(export: Export, texts: dict[str, str]) -> None:
    for member in sorted(export.lengths):
        is_text = LABELS in PurePosixPath(member).parent.parts and member.endswith(".txt")
        if is_text and member not in texts:
            raise DataError(f"{export.path}: {member}", "its photograph, listed in a subset", "none", SAVE_IMAGES)
