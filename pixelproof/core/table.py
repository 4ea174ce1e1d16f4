"""What several commands read from a command line and print to a terminal."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """Height and width."""
    if not (match := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 512x1024, found {text!r}")
    return int(match[1]), int(match[2])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns, the first two to the left and the others to the right."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    aligned = [
        [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))] for r in cells
    ]
    return ["  ".join(row).rstrip() for row in aligned]
