"""The CSV that a ranking is written to, and where its page goes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pixelproof.core.errors import StateError

COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")  # how text begins that stands after an apostrophe
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


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The content of the table; names in it may be other people's.

    Args:
        columns: the first line.
        rows: the others. Text that a spreadsheet would compute stands after an apostrophe, and so does text that begins
            with one: without its first apostrophe, any cell is what it was.

    Example:
        >>> csv_text(["image"], [["=1+1.png"], ["'a.png"], ["a=1.png"], [-1]]).splitlines()
        ['image', "'=1+1.png", "''a.png", 'a=1.png', '-1']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return text.getvalue()


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(COMPUTED) else cell


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BEGINNING)
