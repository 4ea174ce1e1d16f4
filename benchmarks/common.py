"""What the benchmarks share: the project's folder, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pixelproof.core.machine import machine
from pixelproof.core.table import markdown_table

ROOT = Path(__file__).parent.parent


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under a title that says where it was measured."""
    print(f"# {title}\n\nMeasured on: {machine()}\n")
    print(*markdown_table(header, rows), sep="\n")
