"""Markdown from strings that nobody has checked: they can neither format, link nor mention."""

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


def number(value: float) -> str:
    """A metric's value with four decimals, counts as they are."""
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def signed(change: float) -> str:
    """A change with its sign and four decimals, never with an exponent; one that they hide is `0.0000`, none is `0`."""
    if change == 0:
        return "0"
    text = f"{change:+.4f}"
    return text if float(text) else text[1:]


def shortened(lines: list[str], limit: int = PAGE_LIMIT) -> str:
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
