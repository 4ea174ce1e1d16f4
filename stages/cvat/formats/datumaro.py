"""Datumaro 1.0: annotations/<subset>.json with every kind of shape, images/<subset>/."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.coco import REDRAW, is_whole, near, numbers, ring, runs_of
from pixelproof.data.outlines import Box, Ellipse, Outline, Polygon
from stages.cvat.archive import Export
from stages.cvat.formats import checks
from stages.cvat.formats.checks import AGAIN
from stages.cvat.formats.pictures import check_size, is_picture, photograph, picture_size, unnamed
from stages.cvat.model import Annotated, Parsed, Shape

NAME = "Datumaro 1.0"
KEYS = re.compile(rb'"items"\s*:\s*\['), re.compile(rb'"categories"\s*:\s*\{')
IMAGES = "images/"
WITHOUT_AREA = {kind: kind for kind in ("points", "polyline", "skeleton", "caption")}
WITHOUT_AREA |= {"label": "tag", "cuboid_2d": "cuboid", "cuboid_3d": "cuboid"}  # as CVAT calls them
FRAME = re.compile(r"(.*/)?frame_\d+")  # the name of a video's frame in CVAT


def matches(export: Export) -> bool:
    """Whether the export has a JSON file with Datumaro's items and categories.

    Args:
        export: The open export.
    """
    return next(_files(export), None) is not None


def read(export: Export) -> Parsed:
    """The images and shapes of every subset.

    Args:
        export: The open export.

    Returns:
        Polygons, boxes, ellipses and masks; annotations of other kinds are counted.

    Raises:
        DataError: Something in it is missing or invalid.
    """
    labels: dict[str, str] = {}
    images: list[Annotated] = []
    undrawn = checks.Undrawn()
    subsets: set[str] = set()
    pictures = [member for member in export.lengths if member.startswith(IMAGES) and is_picture(member)]
    for member in _files(export):
        where, subset = f"{export.path}: {member}", PurePosixPath(member).stem
        checks.once(where, "subset", subset, subsets)
        subsets.add(subset)
        document = checks.parse_json(export, member)
        known = _labels(where, document, labels)
        names: set[str] = set()
        for item in checks.items_of(where, document, "items"):
            image = _image(export, where, item, subset, bool(pictures))
            here = f"{where}: image {image.name!r}"
            checks.once(here, "image name", item["id"], names)
            names.add(item["id"])
            shapes = _shapes(here, item, (image.width, image.height), known, undrawn)
            labels |= {shape.label: "" for shape in shapes if shape.label not in labels}
            images.append(replace(image, labels=shapes))
    return Parsed(NAME, labels, tuple(images), undrawn.counts, undrawn.first, unnamed(pictures, images))


def _files(export: Export) -> Iterator[str]:
    for member in checks.json_members(export):
        content = export.read(member)
        if all(key.search(content) for key in KEYS):
            yield member


def _labels(where: str, document: Any, labels: dict[str, str]) -> list[str]:
    """The names of the labels by their ids; those that stand for themselves are added to `labels`.

    A label with a parent is a point of a skeleton, which names its points `1`, `2`, ...: it only counts if it is drawn.
    """
    categories = document.get("categories") if isinstance(document, dict) else None
    entries = categories.get("label", {"labels": []}) if isinstance(categories, dict) else None
    known: list[str] = []
    colours = _colours(where, categories)
    for place, entry in enumerate(checks.items_of(f"{where}: categories", entries, "labels")):
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise DataError(where, "labels with names", repr(entry)[:60], AGAIN)
        known.append(name)
        if not entry.get("parent"):
            labels[name] = labels.get(name) or colours.get(place, "")
    return known


def _colours(where: str, categories: Any) -> dict[int, str]:
    """The colours of labels by their ids, where the export has any."""
    found = categories.get("mask") if isinstance(categories, dict) else None
    colours: dict[int, str] = {}
    for entry in checks.items_of(f"{where}: colours", found, "colormap") if found else []:
        rgb = [checks.whole(where, key, entry.get(key)) for key in ("r", "g", "b")]
        if not all(0 <= channel <= 255 for channel in rgb):
            raise DataError(where, "colours from 0 to 255", repr(entry)[:60], AGAIN)
        colours[checks.whole(where, "label_id", entry.get("label_id"))] = "#{:02x}{:02x}{:02x}".format(*rgb)
    return colours


def _image(export: Export, where: str, item: dict[str, Any], subset: str, any_there: bool) -> Annotated:
    """The item without its shapes. Datumaro's own releases write `a/b.png` to `a_b.png`, CVAT's keep the folder."""
    key = checks.name_of(where, item.get("id"))
    here = f"{where}: image {key!r}"
    media = item.get("image")
    if not isinstance(media, dict):
        found = next((kind for kind in ("point_cloud", "video", "video_frame") if kind in item), "nothing")
        raise DataError(here, "an image", found, "only labels of images can be read: leave it out")
    path = media.get("path")
    suffix = PurePosixPath(path).suffix if isinstance(path, str) else ""
    name = f"{key}{suffix}"
    flat = name.replace("/", "_")
    places = (f"{subset}/{name}", f"{subset}/{flat}", name, flat)
    member = photograph(export, here, [f"{IMAGES}{place}" for place in places], any_there)
    size = media.get("size")
    if size is None and member:
        size = tuple(reversed(picture_size(export, member) or ()))
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise DataError(here, "its size: [height, width]", repr(size)[:60], AGAIN)
    width, height = checks.size_of(here, size[1], size[0])
    check_size(export, member, here, (width, height))
    attributes = item.get("attr")
    frame = attributes.get("frame") if isinstance(attributes, dict) and FRAME.fullmatch(key) else None
    return Annotated(name, "", subset, width, height, (), member, frame if is_whole(frame) else None)


def _shapes(
    where: str, item: dict[str, Any], size: tuple[int, int], labels: list[str], undrawn: checks.Undrawn
) -> tuple[Shape, ...]:
    shapes = []
    for place, entry in enumerate(checks.items_of(where, item, "annotations")):
        kind = str(entry.get("type"))
        here = f"{where}: annotation {place} ({kind})"
        if kind in WITHOUT_AREA:
            undrawn.add(WITHOUT_AREA[kind], here)
            continue
        if kind not in OUTLINES:
            raise DataError(here, f"one of {', '.join((*OUTLINES, *WITHOUT_AREA))}", repr(kind)[:60], AGAIN)
        attributes = entry.get("attributes") or {}
        if not isinstance(attributes, dict):
            raise DataError(here, "attributes by name", repr(attributes)[:60], AGAIN)
        label = checks.label_of(here, entry.get("label_id"), labels)
        z, group = (checks.whole(here, key, entry.get(key, 0)) for key in ("z_order", "group"))
        outline = OUTLINES[kind](here, entry, *size)
        shapes.append(Shape(label, outline, z, group, attributes.get("is_crowd") is True))
    return tuple(shapes)


def _polygon(where: str, entry: Mapping[str, Any], width: int, height: int) -> Polygon:
    return Polygon((ring(where, entry.get("points"), width, height),))


def _mask(where: str, entry: Mapping[str, Any], width: int, height: int) -> Outline:
    return runs_of(where, entry.get("rle"), width, height)


def _box(where: str, entry: Mapping[str, Any], width: int, height: int) -> Box:
    """CVAT gives the clockwise turn of a box, in degrees, as an attribute."""
    left, top, wide, high = _four(where, "bbox", entry.get("bbox"))
    (turn,) = numbers(where, "rotation", [(entry.get("attributes") or {}).get("rotation", 0)])
    _corners(where, (left, top, left + wide, top + high), width, height)
    return Box(left, top, left + wide, top + high, float(turn))


def _ellipse(where: str, entry: Mapping[str, Any], width: int, height: int) -> Ellipse:
    """Given by the box around it."""
    left, top, right, bottom = _four(where, "points", entry.get("points"))
    _corners(where, (left, top, right, bottom), width, height)
    if left == right or top == bottom:
        raise DataError(where, "an ellipse with an area", f"{right - left}x{bottom - top}", REDRAW)
    return Ellipse((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)


def _four(where: str, key: str, values: Any) -> list[float]:
    found = numbers(where, key, values)
    if found.size != 4:
        raise DataError(where, f"four numbers as {key}", str(found.size), REDRAW)
    return [float(value) for value in found]


def _corners(where: str, corners: tuple[float, float, float, float], width: int, height: int) -> None:
    left, top, right, bottom = corners
    if right < left or bottom < top:
        raise DataError(where, "width and height from 0", f"{right - left} and {bottom - top}", REDRAW)
    near(where, np.array([(left, top), (right, bottom)]), width, height)


OUTLINES: dict[str, Callable[[str, Mapping[str, Any], int, int], Outline]] = {
    "polygon": _polygon, "mask": _mask, "bbox": _box, "ellipse": _ellipse,
}  # fmt: skip
