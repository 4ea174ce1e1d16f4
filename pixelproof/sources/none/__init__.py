"""No public dataset: for users who have only their own data (see `bin/pixelproof init`)."""

from __future__ import annotations

from pathlib import Path

from pixelproof.data.dataset import write_header
from pixelproof.sources.request import Facts, Request

FACTS = Facts("none", "")


def convert(request: Request, target: Path) -> None:
    """Write a dataset without classes, splits or images."""
    write_header(target, FACTS.header())
