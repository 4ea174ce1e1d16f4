"""Formats of labels: one module each, told apart by what an export holds, never by its name.

A module has `NAME`, `matches(export)`, which is quick, and `read(export)`, which checks everything it reads.
"""

from __future__ import annotations

from typing import Protocol

from stages.cvat.archive import Export
from stages.cvat.formats import coco, cvat_images, cvat_video, datumaro, masks, yolo
from stages.cvat.formats.refused import refusal
from stages.cvat.model import Parsed


class Format(Protocol):
    """What a module of this package has."""

    NAME: str

    def matches(self, export: Export) -> bool:
        """Whether it reads this export."""

    def read(self, export: Export) -> Parsed:
        """What the export says."""


# In this order: the first that matches reads the export.
FORMATS: tuple[Format, ...] = (cvat_video, cvat_images, datumaro, coco, masks, yolo)


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
    raise refusal(export, [module.NAME for module in FORMATS])
