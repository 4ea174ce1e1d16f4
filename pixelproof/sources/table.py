"""The file classes.csv of a folder of images with masks: which value or colour of the masks is which class.

    value,name,thing
    #8429F6,land,no
    #000000,ignore,no

A value is a number, or a colour as #RRGGBB. Lines of one name are one class, `ignore` is no class. Optional columns:
`color`, in which a class is shown; `within`, how far a colour may be from the line's own, in each channel, to be taken
for it (noise of a JPEG); `share`, which `pixelproof init` writes for the reader.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, ClassInfo
from pixelproof.data.images import Array
from pixelproof.sources.labels import Color, classes_of, packed, unpacked, voc_palette

NAME = "classes.csv"
IGNORED = "ignore"
COLUMNS = ("value", "name", "thing", "color", "within", "share")
ANSWERS = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False, "": False}
FIX = "fix that line, or move the file away and run `bin/pixelproof init` again"


@dataclass(frozen=True)
class Line:
    """One line of the file."""

    value: int  # an id, or a packed colour
    name: str
    thing: bool = False
    color: Color | None = None
    within: int = 0
    share: str = ""


@dataclass(frozen=True)
class Table:
    """All lines: what a folder's masks may hold."""

    lines: tuple[Line, ...]
    colors: bool  # whether values are colours

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes, in the order of their first lines."""
        found: dict[str, Line] = {}
        for line in self.lines:
            found.setdefault(line.name, line)
        found.pop(IGNORED, None)
        shown = voc_palette(len(found) + 1)[1:]
        return tuple(
            ClassInfo(
                number, line.name, line.color or (unpacked(line.value) if self.colors else shown[number]), line.thing
            )
            for number, line in enumerate(found.values())
        )

    def ids(self, path: Path, values: Array) -> Array:
        """Class ids for a mask's values.

        Raises:
            DataError: The mask holds a value that no line covers.
        """
        numbers = {info.name: info.id for info in self.classes} | {IGNORED: IGNORE}
        known = {line.value: numbers[line.name] for line in self.lines}
        if any(line.within for line in self.lines):
            values = self._nearest(values)
        return classes_of(path, values, known, "#{:06X}" if self.colors else "{}")

    def _nearest(self, values: Array) -> Array:
        """Values that are near enough to a line's own become that; others stay."""
        found, place = np.unique(values, return_inverse=True)
        own = np.array([line.value for line in self.lines])
        far = distances(found, own, self.colors)
        far[far > np.array([line.within for line in self.lines])] = 1 << 30
        best = far.argmin(axis=1)
        near = far[np.arange(len(found)), best] < 1 << 30
        result: Array = np.where(near, own[best], found)[place.reshape(values.shape)]
        return result


def distances(values: Array, others: Array, colors: bool) -> Array:
    """How far each value is from each other one: for colours the largest difference of a channel."""
    if not colors:
        return np.abs(values.astype(np.int64)[:, None] - others[None])
    shifts = np.array([16, 8, 0])
    first, second = (np.asarray(numbers).astype(np.int64)[:, None] >> shifts & 255 for numbers in (values, others))
    result: Array = np.abs(first[:, None] - second[None]).max(axis=2)
    return result


def read_table(folder: Path) -> Table:
    """Read and check a folder's classes.csv.

    Raises:
        DataError: It is missing, or a line of it is wrong.
    """
    path = folder / NAME
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True))
    except FileNotFoundError:
        raise DataError(
            path, "the file that names the classes", "none", f"run `bin/pixelproof init {folder}`"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(path, "a table in UTF-8", str(error), FIX) from None
    if not rows or not {"value", "name"} <= rows[0].keys():
        raise DataError(path, f"columns {', '.join(COLUMNS)}", ", ".join(map(str, rows[0])) if rows else "no line", FIX)
    lines = [_line(f"{path}:{number}", row) for number, row in enumerate(rows, start=2)]
    kinds = {row["value"].strip().startswith("#") for row in rows}
    if len(kinds) > 1:
        raise DataError(path, "values that are all numbers or all colours", "both", FIX)
    values = [line.value for line in lines]
    if twice := {value for value in values if values.count(value) > 1}:
        raise DataError(path, "each value once", rows[values.index(min(twice))]["value"], FIX)
    table = Table(tuple(lines), kinds.pop())
    if not 0 < len(table.classes) < IGNORE:
        raise DataError(path, f"1 to {IGNORE - 1} classes", str(len(table.classes)), FIX)
    return table


def _line(where: str, row: dict[str, str]) -> Line:
    cells = {key: (value or "").strip() for key, value in row.items() if isinstance(value, str) or value is None}
    value, thing, color, within = (cells.get(key, "") for key in ("value", "thing", "color", "within"))
    for right, expected, found in (
        (re.fullmatch(r"\d{1,5}|#[0-9a-fA-F]{6}", value), "a value such as 3 or #8429F6", value),
        (cells["name"] and cells["name"].isprintable(), "a name", cells["name"]),
        (thing.lower() in ANSWERS, "thing: yes or no", thing),
        (re.fullmatch(r"|#[0-9a-fA-F]{6}", color), "a color such as #8429F6, or none", color),
        (within in ("", *map(str, range(256))), "within: a number from 0 to 255", within),
    ):
        if not right:
            raise DataError(where, expected, repr(found), FIX)
    return Line(
        value=int(value[1:], 16) if value.startswith("#") else int(value),
        name=cells["name"],
        thing=ANSWERS[thing.lower()],
        color=unpacked(int(color[1:], 16)) if color else None,
        within=int(within or 0),
        share=cells.get("share", ""),
    )


def table_text(lines: Iterable[Line], colors: bool) -> str:
    """The contents of classes.csv for some lines."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        value = f"#{line.value:06X}" if colors else str(line.value)
        color = f"#{packed(line.color):06X}" if line.color else ""
        writer.writerow([value, line.name, "yes" if line.thing else "no", color, line.within, line.share])
    return text.getvalue()
