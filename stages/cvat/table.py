"""Tables that people write: CSV with a line of columns first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pixelproof.core.errors import DataError

FIX = "see docs/data.md"


def rows_of(path: Path, what: str, columns: tuple[str, str]) -> Iterator[tuple[str, str, str]]:
    """The rows of a table of two columns, in any order and among others.

    Args:
        path: The file.
        what: Names the table in errors.
        columns: Their names.

    Yields:
        Where the row is, and its two values; "" for none.

    Raises:
        DataError: It cannot be read, or its first line does not name the columns.
    """
    expected = f"a table of {what}, with the columns {columns[0]} and {columns[1]}"
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True)
        rows, header = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(path, expected, " ".join(str(error).split()), FIX) from None
    if not {*columns} <= {*header}:
        found = f"the first line {','.join(header)[:60]!r}" if header else "an empty file"
        raise DataError(path, f"{expected} in its first line, between commas", found, FIX)
    for number, row in enumerate(rows, start=2):
        yield f"{path}:{number}", row[columns[0]] or "", row[columns[1]] or ""
