"""What the masks of a folder hold, and a proposal for which value is which class."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.core.progress import track
from pixelproof.data.images import Array
from pixelproof.sources.labels import ID_MODES, Color, colors_of, opened, packed, unpacked
from pixelproof.sources.pairs import Pair
from pixelproof.sources.table import IGNORED, NAME, Line, Table, distances
from stages.prepare.mapping import VOID

MANY = 254  # classes, at most; more values are noise, in JPEGs
RARE = 0.05  # of the pixels: black or white below this, which nobody names, is taken for void; see also _counted_up
FREQUENT = 0.005  # of the pixels: among noise, what is rarer is no class of its own
LARGE = 1_000_000  # bytes: a list of colours is smaller
FAR = 127  # the largest distance at which noise is taken for a class


@dataclass
class Found:
    """What was counted in all masks."""

    kinds: Counter[str] = field(default_factory=Counter)  # `palette`, `RGB`, `grey`: number of masks
    jpegs: int = 0
    ids: Counter[int] = field(default_factory=Counter)  # pixels by grey value or palette index
    colors: Counter[int] = field(default_factory=Counter)  # pixels by packed colour
    shown: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # index -> its colours in palettes
    groups: dict[str, tuple[Counter[int], Counter[int]]] = field(default_factory=dict)  # ids and colors of each group
    whole: tuple[set[int], set[int]] = field(default_factory=lambda: (set(), set()))  # ids and colors but for JPEGs

    paired: set[int] = field(default_factory=set)  # colours that a mask holds beside their own reversals

    @property
    def by_color(self) -> bool:
        """Whether colours tell the classes: some mask has no ids, or palettes disagree."""
        return "RGB" in self.kinds or any(len(colors) > 1 for colors in self.shown.values())

    @property
    def values(self) -> Counter[int]:
        """The pixels by what tells the classes."""
        return self.colors if self.by_color else self.ids

    @property
    def exact(self) -> set[int]:
        """The values of masks without loss, which are never noise."""
        return self.whole[self.by_color]


def count(pairs: list[Pair]) -> Found:
    """Count the values of masks, one at a time."""
    found = Found()
    for pair in track(pairs, "masks", len(pairs)):
        here: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        image = opened(pair.mask)
        is_jpeg = image.format == "JPEG"
        found.jpegs += is_jpeg
        has_ids = image.mode in ID_MODES
        kind = "grey" if has_ids else "RGB"
        found.kinds["palette" if image.mode == "P" else kind] += 1
        if has_ids:
            array = np.asarray(image).astype(np.int32)
            here[0].update(_counted(array))
        wide = has_ids and image.mode not in ("P", "L", "1")  # more than 8 bits have no colours
        colors = array if wide else colors_of(image, pair.mask)
        here[1].update(_counted(colors))
        if len(here[1]) <= MANY and not wide:
            found.paired.update(here[1].keys() & {_reversed(color) for color in here[1]})
        if image.mode == "P":
            for index in np.unique(array):
                found.shown[int(index)].add(int(colors[array == index][0]))
        for one, group, exact in zip(
            here, found.groups.setdefault(pair.group, (Counter(), Counter())), found.whole, strict=True
        ):
            group.update(one)
            exact.update(() if is_jpeg else one)
    found.ids, found.colors = (sum((each[n] for each in found.groups.values()), Counter()) for n in (0, 1))
    return found


def held(found: Found, lines: Iterable[Line]) -> dict[str, dict[str, int]]:
    """The pixels of each class in each group."""
    named = [(line.value, line.name) for line in lines if line.name != IGNORED]
    holds: dict[str, dict[str, int]] = {}
    for group, (ids, colors) in found.groups.items():
        here = holds.setdefault(group, {})
        for value, name in named:
            here[name] = here.get(name, 0) + (colors if found.by_color else ids)[value]
    return holds


def _counted(values: Array) -> Counter[int]:
    """Pixels by value; runs of equal values are counted as one, which makes it fast."""
    flat = values.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    different, place = np.unique(flat[starts], return_inverse=True)
    counts = np.bincount(place, weights=lengths).astype(np.int64)
    return Counter(dict(zip(different.tolist(), counts.tolist(), strict=True)))


def propose(found: Found, names: dict[int, str]) -> list[Line]:
    """A line for each value that is a class, the most frequent first.

    Args:
        found: What the masks hold.
        names: Names by value, from a file of the user's.
    """
    total = found.values.total()
    centres = _centres(found) if found.jpegs else {value: 0 for value, _ in found.values.most_common()}
    lines = []
    for value, within in centres.items():
        shares = found.values[value] / total
        color = next(iter(found.shown[value])) if not found.by_color and value in found.shown else None
        name = names.get(value) or _name(value, found, list(centres), shares)
        lines.append(
            Line(
                value=value,
                name=IGNORED if name.lower() in VOID else name,
                color=None if color is None else unpacked(color),
                within=within,
                share=f"{100 * shares:.2f} %",
            )
        )
    return lines


def _centres(found: Found) -> dict[int, int]:
    """The frequent values among noise, and how far the values are that are nearest to each."""
    total, values = found.values.total(), np.array([value for value, _ in found.values.most_common()])
    counts = np.array([found.values[int(value)] for value in values])
    chosen: list[int] = []
    for value in values[counts >= FREQUENT * total].tolist():
        if not chosen or distances(np.array([value]), np.array(chosen), found.by_color).min() > FAR // 4:
            chosen.append(value)
    chosen = chosen or [int(values[0])]
    far = distances(values, np.array(chosen), found.by_color)
    nearest, least = far.argmin(axis=1), far.min(axis=1)
    return {one: int(least[(nearest == n) & (least <= FAR)].max(initial=0)) for n, one in enumerate(chosen)}


def _name(value: int, found: Found, others: list[int], share: float) -> str:
    """A name for a value that no file of the user's names."""
    low, high = (0, 0xFFFFFF) if found.by_color else (0, 255)
    if set(others) == {low, high}:
        return "background" if value == low else "foreground"
    if found.by_color:
        return IGNORED if value in (low, high) and share < RARE else f"class-{value:06X}"
    return IGNORED if value == high and (share < RARE or _counted_up(others)) else f"class-{value}"


def _counted_up(ids: Iterable[int]) -> bool:
    """Whether all ids but 255 are small numbers, as if counted up from 0: then 255 is no class of theirs."""
    others = [number for number in ids if number != 255]
    return len(others) > 1 and max(others) < 4 * len(others)


def stated(root: Path) -> Iterator[tuple[Path, dict[str, int]]]:
    """Each file of the user's that names colours or ids: `[{title|name, color}]` as JSON, `name,r,g,b` as CSV.

    Args:
        root: The folder; files below it are read too.
    """
    for path in sorted([*root.rglob("*.json"), *root.rglob("*.csv")]):
        if path.stat().st_size > LARGE:
            continue
        try:
            text = path.read_text(encoding="utf-8-sig")
            rows = _objects(json.loads(text)) if path.suffix == ".json" else csv.DictReader(text.splitlines())
            if names := dict(_named(rows)):
                yield path, names
        except (OSError, ValueError, csv.Error, RecursionError):
            continue  # a file that names no colours


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _objects(part)


def _named(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    for row in rows:
        cells = {str(key).strip().lower(): value for key, value in row.items()}
        name = cells.get("title") or cells.get("name") or cells.get("class")
        color = cells.get("color") or cells.get("colour")
        if isinstance(name, str) and isinstance(color, str) and color.startswith("#") and len(color) == 7:
            yield name.strip(), int(color[1:], 16)
        elif isinstance(name, str) and {"r", "g", "b"} <= cells.keys():
            yield name.strip(), packed(_color(cells))


def _color(cells: dict[str, Any]) -> Color:
    return int(cells["r"]), int(cells["g"]), int(cells["b"])


def check_values(root: Path, found: Found, kept: Table | None) -> None:
    """Refuse masks whose values cannot be classes.

    Args:
        root: The folder.
        found: What its masks hold.
        kept: The user's classes.csv, if there is one: what its lines cover is no question.

    Raises:
        DataError: There are more values without loss than there can be classes, or those of JPEGs are all near one.
    """
    known = kept.lines if kept and kept.colors == found.by_color else ()
    fresh = uncovered(found.exact, known, found.by_color)
    if len(fresh) > MANY:
        kind = "colours" if found.by_color else f"ids, from {min(fresh)} to {max(fresh)},"
        raise DataError(
            root, f"masks of at most {MANY} classes", f"{len(fresh)} {kind} in masks that are no JPEGs",
            f"save masks with a value for each class, or write {NAME}: its lines of one name are one class",
        )  # fmt: skip
    if found.jpegs and not known and len(found.values) > 1 and len(_centres(found)) == 1:
        kind = "colours" if found.by_color else f"ids, from {min(found.values)} to {max(found.values)}"
        raise DataError(
            root, "masks that tell two classes or more apart",
            f"JPEGs of {len(found.values)} {kind}, which cannot be told from noise around one",
            "save masks as PNG, from their source",
        )  # fmt: skip


def exchanged(found: Found, lines: Iterable[Line], named: Container[int]) -> dict[int, int]:
    """Colours that may be others with red and blue exchanged: each, and which one it would be.

    Args:
        found: What the masks hold.
        lines: The colours.
        named: Those that a file of the user's names, which are right.
    """
    own = {line.value for line in lines} - found.paired if found.by_color else set()
    turned = {value: _reversed(value) for value in sorted(own) if value not in named}
    return {
        value: other
        for value, other in turned.items()
        if other != value
        and (other in named or (other in own and (found.values[value], value) < (found.values[other], other)))
    }


def _reversed(color: int) -> int:
    return packed(unpacked(color)[::-1])


def uncovered(values: Iterable[int], lines: Iterable[Line], by_color: bool) -> list[int]:
    """The values that are not within the reach of a line, in their order."""
    numbers = np.array(list(values), np.int64)
    free = np.ones(len(numbers), bool)
    for line in lines:
        free &= distances(numbers, np.array([line.value]), by_color)[:, 0] > line.within
    return [int(value) for value in numbers[free]]


def merged(proposed: list[Line], kept: list[Line], by_color: bool) -> list[Line]:
    """The lines that the user has, with today's shares, then those for values that these do not cover."""
    shares = {line.value: line.share for line in proposed}
    lines = [replace(line, share=shares.get(line.value, "0.00 %")) for line in kept]
    fresh = set(uncovered([line.value for line in proposed], lines, by_color))
    return [*lines, *(line for line in proposed if line.value in fresh)]
