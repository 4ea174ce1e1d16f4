"""Describes an export: its labels and their colours, shapes without an area, how its images are grouped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element

from stages.cvat.annotations import count_skipped, parse
from stages.cvat.export import Export
from stages.cvat.naming import group_of, id_of
from stages.cvat.params import IGNORED, Cvat, Grouping, Label
from stages.cvat.shapes import AREAS

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#bcf60c", "#008080", "#9a6324")


def describe(exports: list[Export], folder: str, kept: Cvat | None) -> Cvat:
    """The section `cvat` for these exports; what an earlier section says about labels and groups is kept.

    New labels are marked as things here, so that their shapes can be told apart and measured.
    """
    roots = {export.name: parse(export) for export in exports}
    known = {label.name: label for label in kept.classes} if kept else {}
    for name, color in _labels(roots.values()).items():
        known.setdefault(name, Label(name=name, color=color, thing=True))
    skipped = sum((count_skipped(root) for root in roots.values()), Counter[str]())
    return Cvat.model_validate(
        {
            "exports": folder,
            "group": kept.group if kept else grouping(roots),
            "background": kept.background if kept else IGNORED,
            "skip": sorted({*skipped, *(kept.skip if kept else [])}),
            "classes": [label.model_dump() for label in known.values()],
        }
    )


def grouping(roots: Mapping[str, Element]) -> Grouping:
    """By folder if that gives three groups or more; by export if names repeat; otherwise each image on its own."""
    images = [
        (export, n.get("name", ""), n.get("task_id", "")) for export, r in roots.items() for n in r.findall("image")
    ]
    if len({id_of(export, name, "folder") for export, name, _ in images}) < len(images):
        return "export"
    groups = {group_of(export, name, task, "folder") for export, name, task in images}
    return "folder" if len(groups) >= 3 else "image"


def _labels(roots: Iterable[Element]) -> dict[str, str]:
    """Names and colours in CVAT's order, without skeleton parts; then labels that only shapes mention."""
    listed = [node for root in roots for node in root.iterfind("meta//label") if not node.findtext("parent")]
    colors = {name: node.findtext("color") or "" for node in listed if (name := (node.findtext("name") or "").strip())}
    for shape in (shape for root in roots for image in root.findall("image") for shape in image if shape.tag in AREAS):
        if shape.get("label"):
            colors.setdefault(shape.get("label", ""), "")
    valid = re.compile(r"#[0-9a-fA-F]{6}")
    return {n: c if valid.fullmatch(c) else COLORS[i % len(COLORS)] for i, (n, c) in enumerate(colors.items())}
