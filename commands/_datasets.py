"""The public datasets as a table, from the facts that each source states."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import cast

from pixelproof.core.errors import StateError, nearest
from pixelproof.fetch.licences import accept, accepted
from pixelproof.sources import names
from pixelproof.sources.request import Facts, Source
from stages.download.archive import at_hand

HEADINGS = ("dataset", "variants", "classes", "images", "size", "on disk", "licence", "where")
LOCAL = ("none", "folder")  # no data of their own


def listing(environ: Mapping[str, str] = os.environ) -> str:
    """A line for each dataset."""
    rows = [HEADINGS, *(_row(facts_of(name), environ) for name in names() if name not in LOCAL)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def accept_licence(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Remember that the user accepts a dataset's licence; returns what to print.

    Raises:
        StateError: There is no such dataset.
    """
    if name not in names():
        fix = f"`pixelproof datasets` lists them{nearest(name, names())}"
        raise StateError(f"pixelproof datasets --accept {name}", "no such dataset", fix)
    facts = facts_of(name)
    if not facts.consent:
        return f"{name}: nothing to accept ({facts.licence})"
    accept(name, facts.licence, environ)
    return f"{name}: accepted for all clones of this user: {facts.licence} ({facts.url})"


def facts_of(name: str) -> Facts:
    """The facts of a dataset."""
    return cast(Source, importlib.import_module(f"pixelproof.sources.{name}")).FACTS


def _row(facts: Facts, environ: Mapping[str, str]) -> tuple[str, ...]:
    counts = [len(facts.classes), *(len(classes) for classes in facts.others.values())]
    licence = facts.licence
    if facts.consent:
        licence += " (accepted)" if accepted(facts.name, facts.licence, environ) else " (to be accepted)"
    size = sum(archive.bytes for archive in facts.needed(""))
    return (
        facts.name,
        ", ".join(filter(None, facts.variants)) or "-",
        ", ".join("any" if count == 1 else str(count) for count in counts),
        f"{facts.images}" if facts.images else "-",
        _size(size) if size else "-",
        _on_disk(facts, environ),
        licence,
        "; ".join(filter(None, [facts.url, *dict.fromkeys(archive.where for archive in facts.archives)]))
        or "made here",
    )


def _on_disk(facts: Facts, environ: Mapping[str, str]) -> str:
    needed = facts.needed("")
    if not needed:
        return "-"
    there = sum(at_hand(archive, environ) for archive in needed)
    if there in (0, len(needed)):
        return "yes" if there else "no"
    return f"{there} of {len(needed)}"


def _size(count: int) -> str:
    """A number of bytes for a reader.

    >>> [_size(number) for number in (31_038_995, 11_000_000_000)]
    ['31 MB', '11.0 GB']
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
