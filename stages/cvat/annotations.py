"""Parses annotations.xml, and checks the names, sizes and shapes of its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from pixelproof.core.errors import DataError
from stages.cvat.export import AGAIN, ANNOTATIONS, Export, inside
from stages.cvat.shapes import AREAS, WITHOUT_AREA, check_label, checked


@dataclass(frozen=True)
class AnnotatedImage:
    """One `<image>`: the path of its file in the export, and its shapes as Datumaro will read them."""

    name: str
    member: str
    task: str
    width: int
    height: int
    shapes: tuple[Element, ...]


def parse(export: Export) -> Element:
    """The root element; entities and references to other files are refused."""
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    where = f"{export.path}: {ANNOTATIONS}"
    if ANNOTATIONS not in export.lengths:
        raise DataError(export.path, f"{ANNOTATIONS} at the top level", "none", AGAIN)
    try:
        root: Element = ElementTree.fromstring(export.read(ANNOTATIONS))
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(where, "well-formed XML", f"{type(error).__name__}: {error}", AGAIN) from None
    if root.tag != "annotations" or root.find("track") is not None or root.find("image") is None:
        found = "tracks" if root.find("track") is not None else f"<{root.tag}> without <image>"
        raise DataError(where, "<annotations> with <image> elements", found, AGAIN)
    return root


def read_images(export: Export, root: Element, labels: Collection[str], skip: Collection[str]) -> list[AnnotatedImage]:
    """Every image of the export with its shapes, each checked."""
    seen: dict[str, str] = {}
    return [_image(export, node, labels, skip, seen) for node in root.findall("image")]


def count_skipped(root: Element) -> Counter[str]:
    """The number of shapes without area, by kind."""
    return Counter(shape.tag for image in root.findall("image") for shape in image if shape.tag in WITHOUT_AREA)


def _image(
    export: Export, node: Element, labels: Collection[str], skip: Collection[str], seen: dict[str, str]
) -> AnnotatedImage:
    name = node.get("name", "")
    where = f"{export.path}: image {name!r}"
    if not inside(name):
        raise DataError(where, "a relative name inside the export", repr(name), AGAIN)
    for key in ("id", "name"):
        value = f"{key} {node.get(key)!r}"
        if value in seen:
            raise DataError(where, f"a unique {key} for each image", f"{value} twice", AGAIN)
        seen[value] = name
    width, height = (_side(where, node, key) for key in ("width", "height"))
    shapes = []
    for number, shape in enumerate(node, start=1):
        place = f"{where}, shape {number} ({shape.tag})"
        if shape.tag not in AREAS:
            _check_skipped(place, shape.tag, skip)
            continue
        check_label(place, shape, labels)
        shapes.append(checked(place, shape, width, height))
    return AnnotatedImage(name, _member(export, node, where), node.get("task_id", ""), width, height, tuple(shapes))


def _check_skipped(where: str, kind: str, skip: Collection[str]) -> None:
    if kind not in WITHOUT_AREA:
        raise DataError(where, f"one of {', '.join((*AREAS, *WITHOUT_AREA))}", repr(kind), AGAIN)
    if kind not in skip:
        raise DataError(
            where, f"a shape with an area ({', '.join(AREAS)})", kind,
            f"redraw it in CVAT, or add {kind!r} to cvat.skip in params.yaml to leave such shapes out",
        )  # fmt: skip


def _member(export: Export, node: Element, where: str) -> str:
    """An image's path in the export: in images/ (by subset in a project's export), in older exports at the top."""
    name = node.get("name", "")
    paths = [f"images/{node.get('subset')}/{name}", f"images/{name}", name]
    for path in paths[0 if node.get("subset") else 1 :]:
        if path in export.lengths:
            return path
    raise DataError(where, f"its file images/{name} in the export", "no such file", AGAIN)


def _side(where: str, node: Element, key: str) -> int:
    text = node.get(key, "")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= 1 << 16):
        raise DataError(where, f"a {key} of 1 to {1 << 16} pixels", repr(text), AGAIN)
    return int(text)
