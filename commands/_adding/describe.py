"""Describes exports: their labels and colours, shapes without an area, how their images are grouped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

from pixelproof.core.errors import DataError
from stages.cvat.convert import Opened, count_skipped
from stages.cvat.params import IGNORED, MOST_LABELS, Cvat, Grouping, Label
from stages.cvat.store import Line

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#bcf60c", "#008080", "#9a6324")


def describe(exports: Sequence[Opened], folder: str, group: Grouping, kept: Cvat | None) -> Cvat:
    """The section `cvat` for these exports; what an earlier section says about labels is kept.

    New labels are marked as things here, so that their shapes can be told apart and measured.

    Raises:
        DataError: There are none or too many, or one has a name that no file can hold.
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
            "group": group if isinstance(group, str) else group.model_dump(),
            "background": kept.background if kept else IGNORED,
            "skip": sorted({*skipped, *(kept.skip if kept else [])}),
            "subsets": kept.subsets if kept else {},
            "window": kept.window if kept else None,
            "scale": kept.model_dump()["scale"] if kept else "none",
            "classes": [label.model_dump() for label in known.values()],
        }
    )


def grouping(lines: Sequence[Line]) -> Grouping:
    """By folder (else task) if that gives three groups or more; otherwise each image on its own."""
    folders = ((line, PurePosixPath(line.name).parent.as_posix()) for line in lines)
    groups = {line.batch if folder == "." else folder for line, folder in folders}
    return "folder" if len(groups) >= 3 else "image"


def _labels(exports: Sequence[Opened]) -> dict[str, str]:
    """Names and colours in CVAT's order; a label without a colour gets one."""
    colors: dict[str, str] = {}
    for one in exports:
        for name, color in one.parsed.labels.items():
            if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
                fix = "rename the label, and export again"
                raise DataError(one.export.path, "labels without control characters", repr(name)[:60], fix)
            colors[name] = color or colors.get(name, "")
    valid = re.compile(r"#[0-9a-fA-F]{6}")
    return {n: c if valid.fullmatch(c) else COLORS[i % len(COLORS)] for i, (n, c) in enumerate(colors.items())}
