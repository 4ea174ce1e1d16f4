"""A sweep as it is written down: experiments/NAME.yaml, and the points that it means. Pure but for reading the file.

    about: Which learning rate, and which batch?
    set:                           # what all points share
      train.iterations: 1800
    grid:                          # every combination
      train.optimizer.lr: [0.001, 0.003]
      train.batch: [8, 16]

or, instead of `grid`, `points`: a list of overrides, or names with their overrides. Keys are those of `dvc exp run -S`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelproof.core.errors import DataError, StateError
from pixelproof.core.params import read_yaml

FOLDER = Path("experiments")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=,+-]*")  # right in a ref of git, in a path and unquoted in a shell
LONGEST = 80
KEYS = ("about", "set", "grid", "points")
MOST = 1000  # points: each is a run of the whole graph
FIX = "see docs/sweeps.md"
Overrides = dict[str, Any]  # key path in params.yaml -> value


@dataclass(frozen=True)
class Point:
    """One experiment: its name in the sweep, and all settings that it changes."""

    name: str
    overrides: Overrides

    def told(self, key: str) -> str | None:
        """A value as text; None where the point leaves params.yaml's, while one that it sets to null is a text."""
        return _told(self.overrides[key]) if key in self.overrides else None


@dataclass(frozen=True)
class Sweep:
    """A question in the plural."""

    name: str
    about: str
    points: tuple[Point, ...]

    def varying(self) -> list[str]:
        """The settings that are not the same in all points."""
        keys = dict.fromkeys(key for point in self.points for key in point.overrides)
        return [key for key in keys if len({point.told(key) for point in self.points}) > 1]

    def shared(self) -> Overrides:
        """The settings that all points change alike."""
        varying = self.varying()
        return {key: value for key, value in self.points[0].overrides.items() if key not in varying}

    def point(self, name: str) -> Point:
        """The point of this name."""
        for point in self.points:
            if point.name == name:
                return point
        names = ", ".join(point.name for point in self.points)
        raise StateError(f"sweep {self.name}", f"no point {name!r}", f"points: {names}")


def file_of(path: Path) -> Path:
    """Of a file the path, of NAME alone that of experiments/NAME.yaml."""
    return path if path.suffix in (".yaml", ".yml") else FOLDER / f"{path.name}.yaml"


def read_sweep(path: Path) -> Sweep:
    """Read experiments/NAME.yaml; `path` may also be NAME alone.

    Raises:
        DataError: the file is not a sweep.
        StateError: there is no such file.
    """
    path = file_of(path)
    if not path.is_file():
        there = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml"))) or "none"
        raise StateError(str(path), "no such file", f"in {FOLDER}: {there}")
    name = path.stem
    if not _is_name(name):
        raise DataError(path, "a name of letters, digits and . _ -", repr(name), "rename the file")
    content = read_yaml(path)
    if strange := [key for key in content if key not in KEYS]:
        raise DataError(path, f"the keys {', '.join(KEYS)}", ", ".join(map(str, strange)), FIX)
    points = _points(path, content)
    names = [point.name for point in points]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(path, "each point once", f"{twice[0]} twice", "remove one, or give them names")
    return Sweep(name, str(content.get("about") or name), points)


def _points(path: Path, content: dict[str, Any]) -> tuple[Point, ...]:
    common = _overrides(path, "set", content.get("set") or {})
    grid, points = content.get("grid"), content.get("points")
    if (grid is None) == (points is None):
        raise DataError(path, "either `grid` or `points`", "both" if grid is not None else "neither", FIX)
    if grid is not None:
        for key, values in _overrides(path, "grid", grid).items():
            if not isinstance(values, list) or not values:
                raise DataError(path, f"a list of values for {key}", repr(values), FIX)
        if (count := math.prod(map(len, grid.values()))) > MOST:
            raise DataError(path, f"a grid of at most {MOST} points", f"{count:,}", "give fewer values, or `points`")
        combined = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        named = [(name_of(each), each) for each in combined]
    elif isinstance(points, dict):
        named = [(str(name), _overrides(path, f"points: {name}", each or {})) for name, each in points.items()]
    elif isinstance(points, list):
        named = [(name_of(each), each) for each in (_overrides(path, "points", one) for one in points)]
    else:
        raise DataError(path, "points as a list, or as names", repr(points), FIX)
    if wrong := [name for name, _ in named if not _is_name(name)]:
        raise DataError(path, "names of letters, digits and _ . = , + -", repr(wrong[0]), "name that point otherwise")
    if not named:
        raise DataError(path, "at least one point", "none", FIX)
    return tuple(Point(name, common | own) for name, own in named)


def _overrides(path: Path, where: str, found: Any) -> Overrides:
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise DataError(path, f"settings (`train.batch: 8`) in `{where}`", repr(found), FIX)
    return dict(found)


def name_of(own: Mapping[str, Any]) -> str:
    """A point's name, from what sets it apart; it stays the same when the sweep gets more points.

    >>> name_of({"train.optimizer.lr": 0.001, "train.batch": 8})
    'lr=0.001,batch=8'
    >>> name_of({"architectures": ["unet"]})
    'unet'
    """
    parts = [(key.rsplit(".", 1)[-1], _short(value)) for key, value in own.items()]
    if len(parts) == 1 and parts[0][1][:1].isalpha():
        name = parts[0][1]
    else:
        name = ",".join(f"{key}={value}" for key, value in parts)
    clean = re.sub(r"\.{2,}|[^A-Za-z0-9_.=,+-]+", "-", name).strip("-.,") or "as-it-is"
    if clean == name and len(clean) <= LONGEST and _is_name(clean):
        return clean
    digest = hashlib.sha256(_told(own).encode()).hexdigest()[:8]  # keeps apart what looks alike without such letters
    return f"{clean[: LONGEST - 9].strip('-.,=+')}-{digest}"


def _short(value: Any) -> str:
    """A value in a name; of one that is nested deeper, its digest."""
    parts = [f"{key}-{each}" for key, each in value.items()] if isinstance(value, dict) else value
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (list, dict)):
        return str(value)
    if any(isinstance(each, (list, dict)) for each in inner):
        return hashlib.sha256(_told(value).encode()).hexdigest()[:6]
    return "+".join(map(str, parts))


def _is_name(name: str) -> bool:
    return bool(NAME.fullmatch(name)) and ".." not in name and not name.endswith((".", ".lock")) and len(name) <= 100


def _told(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
