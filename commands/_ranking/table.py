"""The CSV that a ranking is written to, and where its page goes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pixelproof.core.errors import StateError


def check_out(out: Path, columns: Sequence[str]) -> None:
    """Refuse to replace what this command did not write.

    Raises:
        StateError: the file is another one, or its page would replace the table.
    """
    if out.suffix.lower() != ".csv":
        raise StateError(str(out), "not a .csv", "give --out a name that ends with .csv; the page is written beside it")
    if out.exists() and not (out.is_file() and out.read_bytes().startswith(",".join(columns).encode())):
        raise StateError(str(out), "it exists, and this command did not write it", "give --out another name")


def page_of(out: Path) -> Path:
    """The page beside a table."""
    return out.with_suffix(".html")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The content of the table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
