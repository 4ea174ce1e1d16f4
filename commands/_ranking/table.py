"""Where the CSV of a ranking goes, and its page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pixelproof.core.errors import StateError

BEGINNING = 1000  # bytes: enough for the columns of a table, and for what comes before a page's style


def check_out(out: Path, columns: Sequence[str], title: str) -> None:
    """Refuse to replace what this command did not write: the table is told by its columns, the page by its title.

    Args:
        out: the table.
        columns: its columns.
        title: the page's.

    Raises:
        StateError: one of the files is another one, or the page would replace the table.
    """
    if out.suffix.lower() != ".csv":
        raise StateError(str(out), "not a .csv", "give --out a name that ends with .csv; the page is written beside it")
    table, page = re.escape(",".join(columns)), f"<!doctype html>.*<title>{re.escape(title)}</title>"
    for path, start in ((out, table), (page_of(out), page)):
        if path.exists() and not (path.is_file() and re.match(start.encode(), _beginning(path), re.DOTALL)):
            raise StateError(str(path), "it exists, and this command did not write it", "give --out another name")


def page_of(out: Path) -> Path:
    """The page beside a table."""
    return out.with_suffix(".html")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BEGINNING)
