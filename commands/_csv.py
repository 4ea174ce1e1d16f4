"""Tables for people, who open them in a spreadsheet: no text in them is computed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")  # how text begins that stands after an apostrophe


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The content of a table; names in it may be other people's.

    Args:
        columns: the first line.
        rows: the others. Text that a spreadsheet would compute stands after an apostrophe, and so does text that begins
            with one: without its first apostrophe, any cell is what it was.

    Example:
        >>> csv_text(["image"], [["=1+1.png"], ["'a.png"], ["a=1.png"], [-1]]).splitlines()
        ['image', "'=1+1.png", "''a.png", 'a=1.png', '-1']
    """
    return "".join([_line(columns), *(_line([_inert(cell) for cell in row]) for row in rows)])


def _line(cells: Sequence[object]) -> str:
    """A line, in which cells with a line break are quoted: Python 3.11 quotes only breaks that its terminator has."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(COMPUTED) else cell
