"""Markdown from strings that nobody has checked: they can neither format, link, mention nor break a table."""

from __future__ import annotations

from typing import Any

PAGE_LIMIT = 65_000  # a comment on GitHub holds 65,536 characters, and what posts the page adds a few
TEXT_LIMIT = 200


def code(text: Any) -> str:
    """A code span that shows the text as it is, on one line, at most `TEXT_LIMIT` characters of it."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    if len(shown) > TEXT_LIMIT:
        shown = shown[: TEXT_LIMIT - 1] + "…"
    fence = "`"
    while fence in shown:
        fence += "`"
    padding = " " if shown[:1] in ("`", " ", "") or shown[-1:] in ("`", " ") else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table; a `|` inside a cell is escaped, which holds inside code spans too."""
    return [
        f"| {' | '.join(cells)} |"
        for cells in (header, ["---"] * len(header), *([c.replace("|", "\\|") for c in row] for row in rows))
    ]


def number(value: float) -> str:
    """A metric's value with four decimals, counts as they are."""
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def size(count: int | None) -> str:
    """A number of bytes for people: `3.4 MB`."""
    if count is None:
        return "size not recorded"
    power = min(max(len(str(count)) - 1, 0) // 3, 4)
    return f"{count / 1000**power:.1f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}" if power else f"{count} B"


def fit(lines: list[str], limit: int = PAGE_LIMIT) -> str:
    """The lines as one page of at most `limit` characters (and bytes: some count those); what is left out is said."""
    page = "\n".join(lines) + "\n"
    if len(page.encode()) <= limit:
        return page
    budget, kept = limit - 200, []
    for line in lines:
        budget -= len(line.encode()) + 1
        if budget < 0:
            break
        kept.append(line)
    left_out = f"**{len(lines) - len(kept)} more lines left out**: `bin/pixelproof compare` prints all of them."
    return "\n".join([*kept, "", left_out]) + "\n"
