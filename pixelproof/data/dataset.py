"""The canonical dataset on disk, the only data format that stages pass to each other.

    <root>/dataset.json                name, classes, ignore_index, sources
    <root>/<split>/index.csv           one line per image, sorted by id
    <root>/<split>/images/<id>.png     (or .jpg, copied byte for byte)
    <root>/<split>/masks/<id>.png      uint8 class ids, 255 = ignore
    <root>/<split>/instances/<id>.png  uint16 instance ids, 0 = none; only where the source has them

With folds, train and val hold the same images, each with its fold: train as networks learn from them, val as they are
judged. The index has the column `fold` then, and otherwise not.

In memory, images are RGB arrays. The same data is always written as the same bytes. Everything is checked when it is
read or written: data that violates the format raises a `DataError` that names the file.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_json, write_text
from pixelproof.data.images import REBUILD, Array, Files, as_uint16, content_of, decode, encoded, image_file, reason

IGNORE = 255
SPLITS = ("train", "val", "test")
UNSPLIT = "all"  # for sources without a published split: prepare makes one
NOTES = "notes"  # key of `sources`: what of a source's files did not become pixels as it stands, counted
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ClassInfo:
    """One class; the objects of a `thing` class can be counted."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    id: int
    name: str
    color: tuple[int, int, int]
    thing: bool = False


@dataclass(frozen=True)
class Header:
    """The contents of dataset.json, which apply to all splits."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    name: str
    classes: tuple[ClassInfo, ...]
    sources: tuple[dict[str, str], ...] = ()
    ignore_index: int = IGNORE

    def names(self) -> list[str]:
        """Class names, in the order of their ids.

        Example:
            >>> Header("tiny", (ClassInfo(0, "road", (128, 64, 128)), ClassInfo(1, "car", (64, 0, 128)))).names()
            ['road', 'car']
        """
        return [c.name for c in self.classes]


@dataclass(frozen=True)
class Sample:
    """One line of index.csv. A group (a flight, a scene, a sequence) must not span two splits."""

    id: str
    group: str
    width: int
    height: int
    source: str
    metres_per_pixel: float | None = None
    parent: str | None = None
    x: int | None = None
    y: int | None = None
    fold: int | None = None  # which networks do not learn from it; None without folds


COLUMNS = [f.name for f in fields(Sample)]
REQUIRED = COLUMNS[:5]


# --- writing ---------------------------------------------------------------------------------------------------------


def write_header(root: Path, header: Header) -> None:
    """Write dataset.json."""
    write_json(root / "dataset.json", asdict(header))


@dataclass
class SplitWriter:
    """Writes one split: `add` every image, then `close` to write the sorted index."""

    root: Path
    split: str
    header: Header
    samples: dict[str, Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in ("images", "masks"):
            (self.root / self.split / folder).mkdir(parents=True, exist_ok=True)

    def add(self, sample: Sample, image: Array | Path, mask: Array, instances: Array | None = None) -> None:
        """Add one labelled image; if anything is wrong with it, nothing is written.

        Args:
            sample: Its line of the index.
            image: An RGB array, or the path of a PNG or JPEG to link or copy, whatever its name ends in.
            mask: uint8 class ids, 255 for ignored pixels.
            instances: Instance ids, 0 for none.

        Raises:
            DataError: The id is taken, or the sample or one of its arrays violates the format.
        """
        self.put(sample, self.encode(sample, image, mask, instances))

    def encode(self, sample: Sample, image: Array | Path, mask: Array, instances: Array | None = None) -> Files:
        """The files that `add` writes for one image.

        Raises:
            DataError: The id is taken, or the sample or one of its arrays violates the format.
        """
        where, size = self._checked(sample), (sample.height, sample.width)
        check_mask(where, mask, size, len(self.header.classes))
        numbers = None if instances is None else as_uint16(where + " instances", instances)
        if numbers is not None:
            _check_size(where + " instances", numbers, size, channels=False)
        ending, content = image_file(where, image, size)
        return Files(ending, content, encoded(where, mask), None if numbers is None else encoded(where, numbers))

    def put(self, sample: Sample, files: Files) -> None:
        """Add an image whose files were encoded for this dataset, now or in an earlier run.

        Raises:
            DataError: The id is taken, the sample violates the format, or the image's file cannot be read.
        """
        self._checked(sample)
        files.write(self.root / self.split, sample.id)
        self.samples[sample.id] = sample

    def _checked(self, sample: Sample) -> str:
        where = f"{self.split}/{sample.id}"
        check_sample(where, sample)
        if sample.id in self.samples:
            raise DataError(where, "a unique id", "a duplicate", "rename one of the two images")
        return where

    def close(self) -> list[Sample]:
        """Write index.csv and return its samples in the same order."""
        samples = [self.samples[key] for key in sorted(self.samples)]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = COLUMNS if any(s.fold is not None for s in samples) else COLUMNS[:-1]
        writer.writerow(columns)
        writer.writerows([_cell(getattr(s, column)) for column in columns] for s in samples)
        write_text(self.root / self.split / "index.csv", text.getvalue())
        return samples


def _cell(value: object) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_header(root: Path) -> Header:
    """Read and check dataset.json."""
    path = root / "dataset.json"
    try:
        header = TypeAdapter(Header).validate_json(content_of(path), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise DataError(path, "name, classes, sources and ignore_index", found, REBUILD) from None
    ids, names = [c.id for c in header.classes], header.names()
    for right, expected, stands in (
        (ids == list(range(min(len(ids), IGNORE))), "class ids 0, 1, 2, ... below 255", ids),
        (len(set(names)) == len(names), "distinct class names", names),
        (all(0 <= v <= 255 for c in header.classes for v in c.color), "colour values from 0 to 255", header.classes),
        (header.ignore_index == IGNORE, f"ignore_index {IGNORE}", header.ignore_index),
    ):
        if not right:
            raise DataError(path, expected, str(stands), REBUILD)
    return header


def read_split(root: Path, split: str) -> list[Sample]:
    """Read index.csv, and check that the folder holds the files of exactly the images listed."""
    path = root / split / "index.csv"
    samples = _index(path)
    ids = [s.id for s in samples]
    twice = {i for i in ids if ids.count(i) > 1} if len(set(ids)) < len(ids) else set()
    if twice:
        raise DataError(path, "each id once", f"{min(twice)!r} twice", "rename one of the two images")
    if ids != sorted(ids):
        raise DataError(path, "lines sorted by id", "a different order", REBUILD)
    for folder, endings in (("images", (".png", ".jpg")), ("masks", (".png",)), ("instances", (".png",))):
        _check_files(root / split / folder, ids, endings, all_there=folder != "instances")
    return samples


def image_path(root: Path, split: str, sample_id: str) -> Path:
    """The path of an image: .png, or .jpg if only that exists."""
    png = root / split / "images" / f"{sample_id}.png"
    jpg = png.with_name(f"{sample_id}.jpg")
    return jpg if not png.exists() and jpg.exists() else png


def read_image(root: Path, split: str, sample: Sample) -> Array:
    """Read an RGB image and check its size against the index."""
    path = image_path(root, split, sample.id)
    image = decode(path, cv2.IMREAD_COLOR)
    _check_size(path, image, (sample.height, sample.width))
    rgb: Array = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def read_mask(root: Path, split: str, sample: Sample, classes: int) -> Array:
    """Read a mask, and check its size against the index and its class ids against the number of classes."""
    path = root / split / "masks" / f"{sample.id}.png"
    mask = decode(path, cv2.IMREAD_UNCHANGED)
    check_mask(path, mask, (sample.height, sample.width), classes)
    return mask


def read_instances(root: Path, split: str, sample: Sample) -> Array | None:
    """Read instance ids; None if the source has none."""
    path = root / split / "instances" / f"{sample.id}.png"
    if not path.exists():
        return None
    instances = decode(path, cv2.IMREAD_UNCHANGED)
    if instances.dtype != np.uint16:
        raise DataError(path, "uint16 instance ids", f"{instances.dtype}", REBUILD)
    _check_size(path, instances, (sample.height, sample.width), channels=False)
    return instances


def verify(root: Path, splits: tuple[str, ...] = SPLITS) -> None:
    """Read and check every file of every split.

    Args:
        root: The dataset's folder.
        splits: The splits to read; no id and no group may be in two of them, or in two folds.

    Raises:
        DataError: The first violation found.
    """
    header = read_header(root)
    _check_names(root, {"dataset.json", *SPLITS, UNSPLIT})
    seen: dict[tuple[str, str], str] = {}
    for split in splits:
        _check_names(root / split, {"index.csv", "images", "masks", "instances"})
        for sample in read_split(root, split):
            read_image(root, split, sample)
            read_mask(root, split, sample, len(header.classes))
            read_instances(root, split, sample)
            here = split if sample.fold is None else f"fold {sample.fold}"
            for what, name in (("id", sample.id), ("group", sample.group)):
                if (other := seen.setdefault((what, name), here)) != here:
                    found = f"{name!r} in {other} and {here}"
                    raise DataError(root / split / "index.csv", f"each {what} in one split", found, "move one of them")


def check_mask(where: Path | str, mask: Array, size: tuple[int, int], classes: int) -> None:
    """Check that a mask is uint8, has the size of its image, and holds only class ids and 255.

    Args:
        where: The mask, for the error.
        mask: The array to check.
        size: Height and width of its image.
        classes: The number of classes.

    Raises:
        DataError: The mask breaks one of these rules.

    Example:
        >>> check_mask("val/a", np.array([[0, 1, 255]], np.uint8), (1, 3), classes=2)
        >>> check_mask("val/a", np.array([[0, 2, 255]], np.uint8), (1, 3), classes=2)
        Traceback (most recent call last):
            ...
        pixelproof.core.errors.DataError: val/a: expected class ids 0 to 1, or 255, found id 2; map it to a class
    """
    if mask.dtype != np.uint8:
        raise DataError(where, "a mask of uint8 class ids", f"{mask.dtype}", "convert the mask")
    _check_size(where, mask, size, channels=False)
    wrong = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[classes:IGNORE]) + classes
    if len(wrong):
        raise DataError(where, f"class ids 0 to {classes - 1}, or {IGNORE}", f"id {wrong[0]}", "map it to a class")


def iterate(root: Path, split: str) -> Iterator[tuple[Sample, Array, Array]]:
    """Every sample of a split, with its image and its mask."""
    classes = len(read_header(root).classes)
    for sample in read_split(root, split):
        yield sample, read_image(root, split, sample), read_mask(root, split, sample, classes)


def _check_size(where: Path | str, array: Array, size: tuple[int, int], channels: bool = True) -> None:
    if array.shape[:2] != size or (not channels and array.ndim != 2):
        raise DataError(
            where,
            f"{size[1]}x{size[0]} pixels",
            "x".join(str(n) for n in (*array.shape[1::-1], *array.shape[2:])),
            "fix the file",
        )


def _check_files(folder: Path, ids: list[str], endings: tuple[str, ...], all_there: bool) -> None:
    """Check that a folder holds only files of these ids: exactly one each if `all_there`, otherwise at most one."""
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if extra := found - {name + ending for name in ids for ending in endings}:
        raise DataError(folder / min(extra), "a line in index.csv", "none", REBUILD)
    for name in ids:
        there = [name + ending for ending in endings if name + ending in found]
        if not there and all_there:
            raise DataError(folder / f"{name}.png", "the file that index.csv names", "none", REBUILD)
        if len(there) > 1:
            raise DataError(folder / there[1], "one file per id", f"{there[0]} beside it", "remove one of the two")


def _check_names(folder: Path, names: set[str]) -> None:
    """Check that a folder contains nothing else, except hidden files (such as DVC's .gitignore)."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in names and not path.name.startswith("."):
            raise DataError(path, f"only {', '.join(sorted(names))} in its folder", "something else", "move it away")


def check_sample(where: Path | str, sample: Sample) -> None:
    """Check one line of an index: ids usable as file names, printable strings, sizes and scales above zero.

    Raises:
        DataError: A value breaks one of these rules.
    """
    whole = all(type(n) is int for n in (sample.width, sample.height))
    scale = sample.metres_per_pixel
    for right, expected, found in (
        (ID_PATTERN.fullmatch(sample.id), "an id of letters, digits, '.', '_' and '-'", sample.id),
        (sample.group and sample.group.isprintable(), "a group of printable characters", sample.group),
        (sample.source and sample.source.isprintable(), "a source of printable characters", sample.source),
        (whole and min(sample.width, sample.height) > 0, "a width and a height", (sample.width, sample.height)),
        (scale is None or (math.isfinite(scale) and scale > 0), "metres_per_pixel above 0", scale),
        (sample.fold is None or sample.fold >= 0, "a fold of 0 or more", sample.fold),
        (sample.parent is None or ID_PATTERN.fullmatch(sample.parent), "a parent that is an id", sample.parent),
    ):
        if not right:
            raise DataError(where, expected, repr(found), "fix it in the source")


def _index(path: Path) -> list[Sample]:
    """The lines of an index.csv, each checked on its own."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            columns, rows = reader.fieldnames or [], list(reader)
    except OSError as error:
        raise DataError(path, "the index of a split", reason(error), REBUILD) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(path, "a table in UTF-8", str(error), REBUILD) from None
    if sorted(columns) != sorted({*columns, *REQUIRED} & set(COLUMNS)):
        raise DataError(path, f"columns of {', '.join(COLUMNS)}", ", ".join(columns), REBUILD)
    return [_sample(f"{path}:{number}", row) for number, row in enumerate(rows, start=2)]


def _sample(where: str, row: dict[str, str]) -> Sample:
    try:
        if None in row or None in row.values():
            raise ValueError("more or fewer cells than columns")
        values = {
            "id": row["id"], "group": row["group"], "source": row["source"],
            "width": int(row["width"]), "height": int(row["height"]),
            "metres_per_pixel": float(row["metres_per_pixel"]) if row.get("metres_per_pixel") else None,
            "parent": row.get("parent") or None,
            "x": int(row["x"]) if row.get("x") else None, "y": int(row["y"]) if row.get("y") else None,
            "fold": int(row["fold"]) if row.get("fold") else None,
        }  # fmt: skip
    except ValueError as error:
        raise DataError(where, "a line of an index", str(error), REBUILD) from None
    sample = Sample(**values)  # type: ignore[arg-type]
    check_sample(where, sample)
    return sample
