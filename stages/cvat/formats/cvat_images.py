"""CVAT for images 1.1: `<image>` elements with their shapes."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from pixelproof.core.errors import DataError
from stages.cvat.archive import AGAIN, Export, inside
from stages.cvat.formats.cvat_xml import Meta, Owners, Photographs, Shapes, annotations_of, parse, read_meta, side
from stages.cvat.model import Annotated, Parsed

NAME = "CVAT for images 1.1"


def matches(export: Export) -> bool:
    """Whether this is CVAT's XML, of either kind: that of tracks is told apart first."""
    return annotations_of(export) is not None


def read(export: Export) -> Parsed:
    """Every image of the export with its shapes, each checked.

    Args:
        export: An open export.

    Returns:
        Its labels and images.

    Raises:
        DataError: Something in it is missing, damaged or ambiguous.
    """
    root = parse(export)
    if root.find("image") is None:
        where = f"{export.path}: {annotations_of(export)}"
        raise DataError(where, "<annotations> with <image> elements", f"<{root.tag}> without <image>", AGAIN)
    meta, shapes, owners, photographs = read_meta(root), Shapes(), Owners(), Photographs(export)
    images = tuple(_image(export, node, meta, shapes, owners, photographs) for node in root.findall("image"))
    return Parsed(NAME, meta.labels, images, shapes.undrawn, shapes.undrawn_at, project=meta.project)


def _image(
    export: Export, node: Element, meta: Meta, shapes: Shapes, owners: Owners, photographs: Photographs
) -> Annotated:
    name, task, subset = node.get("name", ""), node.get("task_id", meta.task), node.get("subset", meta.subset)
    where = f"{export.path}: image {name!r}"
    if not inside(name):
        raise DataError(where, "a relative name inside the export", repr(name), AGAIN)
    owners.check_once(where, (task, subset), "id", node.get("id"))
    owners.check_once(where, (task, subset), "name", name)
    width, height = (side(where, node, key) for key in ("width", "height"))
    read = [
        shapes.read(f"{where}, shape {number} ({shape.tag})", shape, width, height)
        for number, shape in enumerate(node, start=1)
    ]
    member = photographs.find(where, node.get("subset", ""), name)  # only a project's export has folders of subsets
    owners.check_photograph(where, task, member)
    frame = re.fullmatch("frame_([0-9]{6,9})", name)
    number = int(frame[1]) if frame else None
    return Annotated(name, task, subset, width, height, tuple(shape for shape in read if shape), member, number)
