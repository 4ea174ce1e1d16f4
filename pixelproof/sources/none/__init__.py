"""No public dataset: for users who have only their own data (see `bin/pixelproof init`)."""

from __future__ import annotations

from pathlib import Path

from pixelproof.data.dataset import ClassInfo, Header, write_header
from pixelproof.sources.request import Archive, Request

NAME = "none"
CLASSES: tuple[ClassInfo, ...] = ()
SOURCE: dict[str, str] = {}
ARCHIVE: Archive | None = None


def convert(request: Request, target: Path) -> None:
    """Write a dataset without classes, splits or images."""
    write_header(target, Header(NAME, CLASSES))
