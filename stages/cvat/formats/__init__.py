"""Formats of labels: one module each, told apart by what an export holds, never by its name.

A module has `NAME`, `matches(export)`, which is quick, and `read(export)`, which checks everything it reads.
"""

from __future__ import annotations

from typing import Protocol

from pixelproof.core.errors import DataError
from stages.cvat.archive import AGAIN, Export
from stages.cvat.formats import cvat_images, cvat_video
from stages.cvat.model import Parsed


class Format(Protocol):
    """What a module of this package has."""

    NAME: str

    def matches(self, export: Export) -> bool:
        """Whether it reads this export."""

    def read(self, export: Export) -> Parsed:
        """What the export says."""


# In this order: the first that matches reads the export.
FORMATS: tuple[Format, ...] = (cvat_video, cvat_images)

# Files by which an export is recognised that holds no labels in a form that can be read, and what to do instead.
OTHERS = {
    "task.json": "a backup of a task: open it in CVAT, then export the task as 'CVAT for images 1.1'",
    "project.json": "a backup of a project: open it in CVAT, then export the project as 'CVAT for images 1.1'",
}


def read(export: Export) -> Parsed:
    """What an export says, whatever its format.

    Args:
        export: An open export.

    Returns:
        Its labels and images, every value checked.

    Raises:
        DataError: No format is recognised, or the one that is holds something wrong.
    """
    for module in FORMATS:
        if module.matches(export):
            return module.read(export)
    known = ", ".join(module.NAME for module in FORMATS)
    for name, what in OTHERS.items():
        if name in export.lengths:
            raise DataError(f"{export.path}: {name}", f"labels as {known}", *what.split(": ", 1))
    raise DataError(export.path, f"annotations.xml at the top level, or labels as {known}", "none of them", AGAIN)
