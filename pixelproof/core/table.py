"""Tables as text, for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table for a terminal: the first two columns are left-aligned, the others right-aligned.

    >>> text_table(["part", "kind", "parameters"], [["head", "conv", "12"], ["in all", "", "1,234"]])
    ['part    kind  parameters', 'head    conv          12', 'in all             1,234']
    """
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    aligned = [
        [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))] for r in cells
    ]
    return ["  ".join(row).rstrip() for row in aligned]


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: bool = False) -> list[str]:
    """The lines of a Markdown table. A `|` in a cell is escaped, which Markdown requires even in code spans.

    Args:
        head: The names of the columns.
        rows: The cells, shown by `str`.
        numbers: Whether all columns but the first hold numbers, and are right-aligned.

    Example:
        >>> markdown_table(["class", "IoU"], [["road|path", 0.5]], numbers=True)
        ['| class | IoU |', '| :-- | --: |', '| road\\\\|path | 0.5 |']
    """
    rule = [":--", *["--:"] * (len(head) - 1)] if numbers else ["---"] * len(head)
    escaped = ([str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows))
    first, *others = (f"| {' | '.join(row)} |" for row in escaped)
    return [first, f"| {' | '.join(rule)} |", *others]
