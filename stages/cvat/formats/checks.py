"""What every reader checks: JSON, sizes, names, numbers, outlines. Each error names the file and the image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pixelproof.core.errors import DataError
from stages.cvat.archive import Export, inside
from stages.cvat.model import Floats

AGAIN = "export again from CVAT"
REDRAW = "fix the shape in CVAT and export again"
LONGEST_SIDE = 1 << 20
LONGEST_OUTLINE = 1 << 28  # pixels from left to right and back, in all: some seconds to draw


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
        raise DataError(where, f"a list of objects under {key!r}", _short(found), AGAIN)
    return found


def name_of(where: str, name: Any) -> str:
    """An image's name, which must be a path that stays inside the export.

    Raises:
        DataError: It is not.
    """
    if not isinstance(name, str) or not inside(name):
        raise DataError(where, "an image's name: a relative path without `..`", _short(name), AGAIN)
    return name


def size_of(where: str, width: Any, height: Any) -> tuple[int, int]:
    """An image's width and height.

    Raises:
        DataError: One of the two is not a whole number from 1.
    """
    if not all(is_whole(side) and 1 <= side <= LONGEST_SIDE for side in (width, height)):
        raise DataError(where, f"width and height from 1 to {LONGEST_SIDE}", f"{_short(width)}x{_short(height)}", AGAIN)
    return width, height


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number: `true` is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(where: str, key: str, value: Any) -> int:
    """A whole number that fits 64 bits.

    Raises:
        DataError: It is something else.
    """
    if not is_whole(value) or abs(value) >= 1 << 63:
        raise DataError(where, f"a whole number as {key}", _short(value), REDRAW)
    return int(value)


def numbers(where: str, key: str, values: Any) -> Floats:
    """A list of finite numbers.

    Raises:
        DataError: It is something else.
    """
    try:
        array = np.asarray(values) if isinstance(values, list) else None
    except ValueError:  # lists of different lengths
        array = None
    if array is None or array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise DataError(where, f"a list of numbers as {key}", _short(values), REDRAW)
    floats: Floats = array.astype(np.float64)
    if not np.isfinite(floats).all():
        raise DataError(where, f"finite numbers as {key}", str(floats[~np.isfinite(floats)][0]), REDRAW)
    return floats


def ring(where: str, values: Any, width: int, height: int) -> Floats:
    """Three or more points [n, 2] from a flat list `x, y, x, y, ...`, near the image.

    Raises:
        DataError: They are fewer, no numbers, further outside the image than it is long, or never come to an end.
    """
    flat = numbers(where, "points", values)
    if flat.size < 6 or flat.size % 2:
        raise DataError(where, "three or more points `x, y, x, y, ...`", f"{flat.size} numbers", REDRAW)
    points: Floats = flat.reshape(-1, 2)
    near(where, points, width, height)
    check_length(where, points)
    return points


def check_length(where: str, points: Floats) -> None:
    """Refuse an outline that goes back and forth without end: it would be drawn for minutes.

    Raises:
        DataError: It is longer than any that somebody drew.
    """
    if (length := float(np.abs(np.diff(points[:, 0])).sum())) > LONGEST_OUTLINE:
        raise DataError(where, f"an outline of at most {LONGEST_OUTLINE} pixels", f"one of {length:.0f}", REDRAW)


def near(where: str, points: Floats, width: int, height: int) -> None:
    """Check that points are outside the image by at most the image's side: others are mistakes.

    Raises:
        DataError: One is not.
    """
    for values, side in zip(points.T, (width, height), strict=True):
        far = values[(values < -side) | (values > 2 * side)]
        if far.size:
            raise DataError(where, f"points within {-side} to {2 * side}", str(far[0]), REDRAW)


def label_of(where: str, key: Any, labels: dict[int, str] | list[str]) -> str:
    """The name of a label by its id.

    Raises:
        DataError: The export has no such label.
    """
    known: Collection[int] = labels if isinstance(labels, dict) else range(len(labels))
    if not is_whole(key) or key not in known:
        raise DataError(where, f"a label's id among the export's ({_listed(known)})", _short(key), AGAIN)
    return labels[key]


def once(where: str, what: str, key: Any, seen: Collection[Any]) -> None:
    """Check that `key` was not seen before.

    Raises:
        DataError: It was.
    """
    if key in seen:
        raise DataError(where, f"each {what} once", f"{_short(key)} twice", "rename one of the two and export again")


def _listed(keys: Collection[Any], most: int = 8) -> str:
    shown = ", ".join(str(key) for key in list(keys)[:most])
    return f"{shown}, ..." if len(keys) > most else shown or "none"


def _short(value: Any, most: int = 60) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
