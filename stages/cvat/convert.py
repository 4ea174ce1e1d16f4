"""Converts exports to the canonical dataset: check, stage what was checked for Datumaro, import, rasterise."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement

import cv2
import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.core.files import whole_folder, write_bytes
from pixelproof.core.progress import track
from pixelproof.data.dataset import IGNORE, UNSPLIT, ClassInfo, Header, Sample, SplitWriter, write_header
from pixelproof.data.images import Array, decode, write_png
from stages.cvat.annotations import AnnotatedImage, count_skipped, parse, read_images
from stages.cvat.export import AGAIN, ANNOTATIONS, Export, open_export
from stages.cvat.naming import group_of, id_of
from stages.cvat.params import IGNORED, Cvat
from stages.cvat.raster import rasterise

COPIED = {".png": ".png", ".jpg": ".jpg", ".jpeg": ".jpg"}


@dataclass(frozen=True)
class Item:
    """One image to convert, with its index entry."""

    export: Export
    image: AnnotatedImage
    sample: Sample


def convert(exports: list[Path], target: Path, params: Cvat) -> tuple[int, int, Counter[str]]:
    """Write the canonical dataset; return the number of exports, of images, and of skipped shapes by kind."""
    header = Header("cvat", classes_of(params), ({"name": "cvat", "exports": params.exports},))
    with ExitStack() as stack, whole_folder(target) as root:
        opened = [stack.enter_context(open_export(path)) for path in exports]
        items, skipped = read_items(opened, params)
        write_header(root, header)
        writer = SplitWriter(root, UNSPLIT, header)
        for item, mask, instances in labelled(items, params, root / UNSPLIT):
            writer.add(item.sample, _staged(root / UNSPLIT, item), mask, instances)
        writer.close()
    return len(opened), len(items), skipped


def classes_of(params: Cvat) -> tuple[ClassInfo, ...]:
    """The configured classes; a class's position in the list is its id."""
    return tuple(ClassInfo(i, c.name, _rgb(c.color), c.thing) for i, c in enumerate(params.classes))


def read_items(exports: list[Export], params: Cvat) -> tuple[list[Item], Counter[str]]:
    """Every image of every export, checked, with its id and group; and the number of skipped shapes by kind."""
    labels = [label.name for label in params.classes]
    items: dict[str, Item] = {}
    skipped: Counter[str] = Counter()
    for export in exports:
        root = parse(export)
        skipped += count_skipped(root)
        for image in read_images(export, root, labels, params.skip):
            sample_id = id_of(export.name, image.name, params.group)
            group = group_of(export.name, image.name, image.task, params.group)
            item = Item(export, image, Sample(sample_id, group, image.width, image.height, "cvat"))
            other = items.setdefault(item.sample.id, item)
            if other is not item:
                raise DataError(
                    f"{export.path}: image {image.name!r}", "a unique id",
                    f"{item.sample.id!r}, also that of {other.image.name!r} in {other.export.path}",
                    "rename one of the two, or set `cvat.group: export`, which adds the export's name to the ids",
                )  # fmt: skip
    return [items[key] for key in sorted(items)], skipped


def labelled(items: list[Item], params: Cvat, folder: Path) -> Iterator[tuple[Item, Array, Array | None]]:
    """Each item with its mask and instances; its image is left in `folder`/images for the caller."""
    things = [label.thing for label in params.classes]
    names = [label.name for label in params.classes]
    background = IGNORE if params.background == IGNORED else names.index(params.background)
    for item in track(items, "cvat: images", len(items)):
        _stage_image(folder, item)
    shapes = _through_datumaro(folder, items, names)
    for item in track(items, "cvat: masks", len(items)):
        mask, instances = rasterise(shapes[item.sample.id], item.image.width, item.image.height, background, things)
        yield item, mask, instances if any(things) else None


def _through_datumaro(folder: Path, items: list[Item], labels: list[str]) -> dict[str, list[Any]]:
    """Each image's shapes as Datumaro reads them from a temporary export of the checked shapes."""
    from datumaro.components.dataset import Dataset

    path = folder / ANNOTATIONS
    root = Element("annotations")
    listed = SubElement(SubElement(SubElement(root, "meta"), "task"), "labels")
    for label in labels:
        SubElement(SubElement(listed, "label"), "name").text = label
    for number, item in enumerate(items):
        node = SubElement(root, "image", id=str(number), name=_staged(folder, item).name)
        node.attrib |= {"width": str(item.image.width), "height": str(item.image.height)}
        node.extend(item.image.shapes)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    shapes = {entry.id: list(entry.annotations) for entry in Dataset.import_from(str(folder), "cvat")}
    path.unlink()
    for item in items:
        if len(shapes.get(item.sample.id, [])) != len(item.image.shapes):
            raise DataError(
                f"{item.export.path}: image {item.image.name!r}", f"{len(item.image.shapes)} shapes",
                f"{len(shapes.get(item.sample.id, []))} from Datumaro", "please report this export as a bug",
            )  # fmt: skip
    return shapes


def _stage_image(folder: Path, item: Item) -> None:
    """Write an image to its place in the dataset: .png and .jpg unchanged, anything else as PNG."""
    where, content = f"{item.export.path}: {item.image.member}", item.export.read(item.image.member)
    path = _staged(folder, item)
    if PurePosixPath(item.image.member).suffix.lower() in COPIED:
        write_bytes(path, content)
        try:
            image = decode(path, cv2.IMREAD_COLOR)
        except DataError:
            raise _unreadable(where, content) from None
    else:
        image = _decode(where, content)
        write_png(path, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    found = f"{image.shape[1]}x{image.shape[0]}"
    if found != (expected := f"{item.image.width}x{item.image.height}"):
        raise DataError(where, f"the size given in {ANNOTATIONS}, {expected}", found, AGAIN)


def _decode(where: str, content: bytes) -> Array:
    """Decode an image that must be converted; Pillow detects truncated files."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise _unreadable(where, content) from None
    image: Array | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise _unreadable(where, content)
    return image


def _unreadable(where: str, content: bytes) -> DataError:
    return DataError(where, "a whole image", f"{len(content)} bytes that cannot be decoded", AGAIN)


def _staged(folder: Path, item: Item) -> Path:
    suffix = COPIED.get(PurePosixPath(item.image.member).suffix.lower(), ".png")
    return folder / "images" / f"{item.sample.id}{suffix}"


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue
