"""What every reader checks: JSON, sizes, names, numbers, outlines. Each error names the file and the image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from pixelproof.core.errors import DataError
from pixelproof.data.coco import REDRAW, is_whole, short
from stages.cvat.archive import Export, inside

AGAIN = "export again from CVAT"
LONGEST_SIDE = 1 << 20


@dataclass(frozen=True)
class Undrawn:
    """Annotations without an area: how many there are of each kind, and where the first is."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, where: str) -> None:
        """Count one more."""
        self.counts[kind] += 1
        self.first.setdefault(kind, where)


def json_members(export: Export) -> Iterator[str]:
    """The export's JSON files, sorted."""
    return (member for member in sorted(export.lengths) if member.lower().endswith(".json"))


def parse_json(export: Export, member: str) -> Any:
    """A JSON file's content.

    Args:
        export: The open export.
        member: The file's path in it.

    Raises:
        DataError: It is no JSON.
    """
    try:
        return json.loads(export.read(member))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        found = f"{type(error).__name__}: {error}"
        raise DataError(f"{export.path}: {member}", "well-formed JSON", found, AGAIN) from None


def items_of(where: str, document: Any, key: str) -> list[dict[str, Any]]:
    """The list of objects that a JSON object holds under `key`.

    Raises:
        DataError: There is none, or it holds something else.
    """
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise DataError(where, f"a list of objects under {key!r}", short(found), AGAIN)
    return found


def name_of(where: str, name: Any) -> str:
    """An image's name, which must be a path that stays inside the export.

    Raises:
        DataError: It is not.
    """
    if not isinstance(name, str) or not inside(name):
        raise DataError(where, "an image's name: a relative path without `..`", short(name), AGAIN)
    return name


def size_of(where: str, width: Any, height: Any) -> tuple[int, int]:
    """An image's width and height.

    Raises:
        DataError: One of the two is not a whole number from 1.
    """
    if not all(is_whole(side) and 1 <= side <= LONGEST_SIDE for side in (width, height)):
        raise DataError(where, f"width and height from 1 to {LONGEST_SIDE}", f"{short(width)}x{short(height)}", AGAIN)
    return width, height


def whole(where: str, key: str, value: Any) -> int:
    """A whole number that fits 64 bits.

    Raises:
        DataError: It is something else.
    """
    if not is_whole(value) or abs(value) >= 1 << 63:
        raise DataError(where, f"a whole number as {key}", short(value), REDRAW)
    return int(value)


def label_of(where: str, key: Any, labels: dict[int, str] | list[str]) -> str:
    """The name of a label by its id.

    Raises:
        DataError: The export has no such label.
    """
    known: Collection[int] = labels if isinstance(labels, dict) else range(len(labels))
    if not is_whole(key) or key not in known:
        raise DataError(where, f"a label's id among the export's ({_listed(known)})", short(key), AGAIN)
    return labels[key]


def once(where: str, what: str, key: Any, seen: Collection[Any]) -> None:
    """Check that `key` was not seen before.

    Raises:
        DataError: It was.
    """
    if key in seen:
        raise DataError(where, f"each {what} once", f"{short(key)} twice", "rename one of the two and export again")


def _listed(keys: Collection[Any], most: int = 8) -> str:
    shown = ", ".join(str(key) for key in list(keys)[:most])
    return f"{shown}, ..." if len(keys) > most else shown or "none"
