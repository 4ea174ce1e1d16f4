"""The canonical dataset on disk: the one contract between stages.

    <root>/dataset.json                name, classes, ignore_index, sources
    <root>/<split>/index.csv           one line per image, sorted by id
    <root>/<split>/images/<id>.png     (or .jpg, copied byte for byte)
    <root>/<split>/masks/<id>.png      uint8 class ids, 255 = ignore
    <root>/<split>/instances/<id>.png  uint16 instance ids, 0 = none; only where the source has them

Images are RGB arrays here. What is written has the same bytes every time; what is read is checked as it is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.errors import DataError
from stages.files import read_json, write_bytes, write_json, write_text

IGNORE = 255
SPLITS = ("train", "val", "test")
UNSPLIT = "all"  # the split of a source that publishes none: prepare decides
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
REBUILD = "rebuild the folder with the stage that wrote it"

Array = NDArray[Any]


@dataclass(frozen=True)
class ClassInfo:
    """One class; `thing` says that its objects can be counted."""

    id: int
    name: str
    color: tuple[int, int, int]
    thing: bool = False


@dataclass(frozen=True)
class Header:
    """What dataset.json says: true for every split."""

    name: str
    classes: tuple[ClassInfo, ...]
    sources: tuple[dict[str, str], ...] = ()
    ignore_index: int = IGNORE

    def names(self) -> list[str]:
        """Class names by id."""
        return [c.name for c in self.classes]


@dataclass(frozen=True)
class Sample:
    """One line of index.csv. Group is what must not span two splits: a flight, a scene, a sequence."""

    id: str
    group: str
    width: int
    height: int
    source: str
    metres_per_pixel: float | None = None
    parent: str | None = None
    x: int | None = None
    y: int | None = None


COLUMNS = [f.name for f in fields(Sample)]


# --- writing ---------------------------------------------------------------------------------------------------------


def write_header(root: Path, header: Header) -> None:
    """Write dataset.json."""
    write_json(root / "dataset.json", asdict(header))


@dataclass
class SplitWriter:
    """Writes one split: `add` each image, then `close` writes the sorted index."""

    root: Path
    split: str
    header: Header
    samples: dict[str, Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in ("images", "masks"):
            (self.root / self.split / folder).mkdir(parents=True, exist_ok=True)

    def add(self, sample: Sample, image: Array | Path, mask: Array, instances: Array | None = None) -> None:
        """Add one labelled image; a path (.png or .jpg) is copied byte for byte."""
        where = f"{self.split}/{sample.id}"
        if not ID_PATTERN.fullmatch(sample.id):
            raise DataError(where, "an id of letters, digits, '.', '_' and '-'", repr(sample.id), "rename the image")
        if sample.id in self.samples:
            raise DataError(where, "an id that no other image has", "a second one", "rename one of the two")
        size = (sample.height, sample.width)
        check_mask(where, mask, size, len(self.header.classes))
        self.samples[sample.id] = sample
        folder = self.root / self.split
        if isinstance(image, Path):
            write_bytes(folder / "images" / (sample.id + image.suffix.lower()), image.read_bytes())
        else:
            if image.shape != (*size, 3) or image.dtype != np.uint8:
                raise DataError(
                    where, f"an RGB image of {size} in uint8", f"{image.shape} {image.dtype}", "check the source"
                )
            write_png(folder / "images" / f"{sample.id}.png", image)
        write_png(folder / "masks" / f"{sample.id}.png", mask)
        if instances is not None:
            _check_size(where + " instances", instances, size)
            write_png(folder / "instances" / f"{sample.id}.png", instances.astype(np.uint16))

    def close(self) -> list[Sample]:
        """Write index.csv; returns the samples as they stand in it."""
        samples = [self.samples[key] for key in sorted(self.samples)]
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([_cell(getattr(s, column)) for column in COLUMNS] for s in samples)
        write_text(self.root / self.split / "index.csv", text.getvalue())
        return samples


def write_png(path: Path, array: Array) -> None:
    """Write a PNG (RGB, uint8 or uint16 grey) with fixed settings: the same array gives the same bytes."""
    rgb = array.ndim == 3
    done, encoded = cv2.imencode(".png", cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if rgb else array, PNG)
    if not done:
        raise DataError(path, "an array that PNG can hold", f"{array.shape} {array.dtype}", "check the source")
    write_bytes(path, encoded.tobytes())


def _cell(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_header(root: Path) -> Header:
    """Read and check dataset.json."""
    path = root / "dataset.json"
    try:
        raw = read_json(path)
        classes = tuple(
            ClassInfo(int(c["id"]), str(c["name"]), _color(c["color"]), bool(c["thing"])) for c in raw["classes"]
        )
        header = Header(str(raw["name"]), classes, tuple(raw["sources"]), int(raw["ignore_index"]))
    except FileNotFoundError:
        raise DataError(path, "a dataset's header", "no such file", REBUILD) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            path, "name, classes, sources and ignore_index", f"{type(error).__name__}: {error}", REBUILD
        ) from None
    if [c.id for c in classes] != list(range(len(classes))) or len(classes) > IGNORE:
        raise DataError(path, "class ids 0, 1, 2, ... below 255", str([c.id for c in classes]), REBUILD)
    if len(set(header.names())) != len(classes):
        raise DataError(path, "class names that differ", str(header.names()), REBUILD)
    return header


def read_split(root: Path, split: str) -> list[Sample]:
    """Read index.csv and check that it and the files beside it name the same images."""
    path = root / split / "index.csv"
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(path, "the index of a split", "no such file", REBUILD) from None
    samples = [_sample(path, number, row) for number, row in enumerate(rows, start=2)]
    ids = [s.id for s in samples]
    twice = {i for i in ids if ids.count(i) > 1} if len(set(ids)) < len(ids) else set()
    if twice:
        raise DataError(path, "each id once", f"{sorted(twice)[0]!r} twice", "rename one of the two images")
    if ids != sorted(ids):
        raise DataError(path, "lines sorted by id", "another order", REBUILD)
    for folder in ("images", "masks"):
        _check_pairs(root / split / folder, set(ids))
    if (root / split / "instances").is_dir() and (extra := _stems(root / split / "instances") - set(ids)):
        raise DataError(root / split / "instances" / f"{min(extra)}.png", "a line in index.csv", "none", REBUILD)
    return samples


def image_path(root: Path, split: str, sample_id: str) -> Path:
    """Where an image lies: .png, else .jpg."""
    png = root / split / "images" / f"{sample_id}.png"
    return png if png.exists() else png.with_suffix(".jpg") if (png.parent / f"{sample_id}.jpg").exists() else png


def read_image(root: Path, split: str, sample: Sample) -> Array:
    """An RGB image, checked against its line of the index."""
    path = image_path(root, split, sample.id)
    image = decode(path, cv2.IMREAD_COLOR)
    _check_size(path, image, (sample.height, sample.width))
    rgb: Array = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def read_mask(root: Path, split: str, sample: Sample, classes: int) -> Array:
    """A mask of class ids, checked against its line of the index and the classes."""
    path = root / split / "masks" / f"{sample.id}.png"
    mask = decode(path, cv2.IMREAD_UNCHANGED)
    check_mask(path, mask, (sample.height, sample.width), classes)
    return mask


def read_instances(root: Path, split: str, sample: Sample) -> Array | None:
    """Instance ids, or None where the source has none."""
    path = root / split / "instances" / f"{sample.id}.png"
    if not path.exists():
        return None
    instances = decode(path, cv2.IMREAD_UNCHANGED)
    _check_size(path, instances, (sample.height, sample.width))
    return instances


def verify(root: Path, splits: tuple[str, ...] = SPLITS) -> None:
    """Read everything: every file of every split, and that no group stands in two splits."""
    header = read_header(root)
    seen: dict[str, str] = {}
    for split in splits:
        for sample in read_split(root, split):
            read_image(root, split, sample)
            read_mask(root, split, sample, len(header.classes))
            read_instances(root, split, sample)
        for group in {s.group for s in read_split(root, split)}:
            if seen.setdefault(group, split) != split:
                raise DataError(
                    root, "each group in one split", f"{group!r} in {seen[group]} and {split}", "keep a group together"
                )


def decode(path: Path, flags: int) -> Array:
    """Decode an image file; a truncated one is an error, though OpenCV would fill it up in silence."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(path, "an image", "no such file", REBUILD) from None
    whole = (
        content.endswith(b"\x00\x00\x00\x00IEND\xaeB`\x82")
        if path.suffix == ".png"
        else content.rstrip(b"\x00").endswith(b"\xff\xd9")
    )
    array: Array | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if whole and content else None
    if array is None:
        raise DataError(
            path,
            f"a whole {path.suffix[1:].upper()} image",
            f"{len(content)} bytes that do not decode",
            "replace the file",
        )
    return array


def check_mask(where: Path | str, mask: Array, size: tuple[int, int], classes: int) -> None:
    """A mask is uint8, has its image's size, and holds ids of the classes or 255."""
    if mask.dtype != np.uint8:
        raise DataError(where, "a mask of uint8 class ids", f"{mask.dtype}", "convert the mask")
    _check_size(where, mask, size, channels=False)
    wrong = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[classes:IGNORE]) + classes
    if len(wrong):
        raise DataError(where, f"class ids 0 to {classes - 1}, or {IGNORE}", f"id {wrong[0]}", "map it to a class")


def iterate(root: Path, split: str) -> Iterator[tuple[Sample, Array, Array]]:
    """Every sample of a split with its image and mask."""
    classes = len(read_header(root).classes)
    for sample in read_split(root, split):
        yield sample, read_image(root, split, sample), read_mask(root, split, sample, classes)


def _check_size(where: Path | str, array: Array, size: tuple[int, int], channels: bool = True) -> None:
    if array.shape[:2] != size or (not channels and array.ndim != 2):
        raise DataError(
            where,
            f"{size[1]}x{size[0]} pixels",
            "x".join(str(n) for n in (*array.shape[1::-1], *array.shape[2:])),
            "mend the file",
        )


def _check_pairs(folder: Path, ids: set[str]) -> None:
    found = _stems(folder)
    if missing := ids - found:
        raise DataError(folder / f"{min(missing)}.png", "the file that index.csv names", "no such file", REBUILD)
    if extra := found - ids:
        raise DataError(folder / f"{min(extra)}.png", "a line in index.csv", "none", REBUILD)


def _stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()} if folder.is_dir() else set()


def _color(value: Any) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in value)
    return red, green, blue


def _sample(path: Path, number: int, row: dict[str, str]) -> Sample:
    where = f"{path}:{number}"
    try:
        values = {
            "id": row["id"], "group": row["group"], "source": row["source"],
            "width": int(row["width"]), "height": int(row["height"]),
            "metres_per_pixel": float(row["metres_per_pixel"]) if row.get("metres_per_pixel") else None,
            "parent": row.get("parent") or None,
            "x": int(row["x"]) if row.get("x") else None, "y": int(row["y"]) if row.get("y") else None,
        }  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            where, "id, group, width, height, source", f"{type(error).__name__}: {error}", REBUILD
        ) from None
    if not ID_PATTERN.fullmatch(row["id"] or "") or not row["group"]:
        raise DataError(where, "an id and a group", f"id {row['id']!r}, group {row['group']!r}", REBUILD)
    return Sample(**values)  # type: ignore[arg-type]
