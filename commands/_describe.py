"""Describes exports: their labels and colours, shapes without an area, how their images are grouped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from pixelproof.core.errors import DataError
from stages.cvat.convert import Opened, count_skipped, group_without_folder
from stages.cvat.naming import old_id
from stages.cvat.params import IGNORED, MOST_LABELS, Cvat, Grouping, Label

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#bcf60c", "#008080", "#9a6324")


def describe(exports: Sequence[Opened], folder: str, kept: Cvat | None) -> Cvat:
    """The section `cvat` for these exports; what an earlier section says about labels and groups is kept.

    New labels are marked as things here, so that their shapes can be told apart and measured.
    """
    known = {label.name: label for label in kept.classes} if kept else {}
    for name, color in _labels(exports).items():
        known.setdefault(name, Label(name=name, color=color, thing=True))
    if not 1 <= len(known) <= MOST_LABELS:
        where = ", ".join(str(one.export.path) for one in exports)
        fix = "add labels to the task in CVAT" if not known else "merge or remove labels in CVAT"
        raise DataError(where, f"1 to {MOST_LABELS} labels", str(len(known)), f"{fix}, and export again")
    skipped = count_skipped(one.parsed for one in exports)
    return Cvat.model_validate(
        {
            "exports": folder,
            "group": kept.model_dump()["group"] if kept else grouping(exports),
            "background": kept.background if kept else IGNORED,
            "skip": sorted({*skipped, *(kept.skip if kept else [])}),
            "subsets": kept.subsets if kept else {},
            "window": kept.window if kept else None,
            "scale": kept.model_dump()["scale"] if kept else "none",
            "classes": [label.model_dump() for label in known.values()],
        }
    )


def grouping(exports: Sequence[Opened]) -> Grouping:
    """By export if names repeat in two; by folder if that gives three groups or more; else each image on its own."""
    names = [{old_id("", image.name, by_export=False) for image in one.parsed.images} for one in exports]
    if max(Counter(name for each in names for name in each).values(), default=1) > 1:
        return "export"
    groups = {
        folder if (folder := str(PurePosixPath(image.name).parent)) != "." else group_without_folder(one, image)
        for one in exports
        for image in one.parsed.images
    }
    return "folder" if len(groups) >= 3 else "image"


def _labels(exports: Sequence[Opened]) -> dict[str, str]:
    """Names and colours in CVAT's order; a label without a colour gets one."""
    colors: dict[str, str] = {}
    for one in exports:
        for name, color in one.parsed.labels.items():
            colors[name] = color or colors.get(name, "")
    valid = re.compile(r"#[0-9a-fA-F]{6}")
    return {n: c if valid.fullmatch(c) else COLORS[i % len(COLORS)] for i, (n, c) in enumerate(colors.items())}
