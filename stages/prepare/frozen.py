"""The frozen test split: a list of images with digests of what they and their labels are, kept by git.

    id,group,image,labels

While it names images, the test split is exactly these, whatever else comes in: the yardstick over the months. Digests
are of decoded pixels and of classes by name: another encoding, or a class more in the list, changes none.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.core.files import write_text
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array, reason

AGAIN = "bring them back, or list the test split anew on purpose: `bin/pixelproof freeze --again`"


@dataclass(frozen=True)
class Frozen:
    """One line of the list."""

    id: str
    group: str
    image: str  # digest of its pixels
    labels: str  # digest of its mask and its objects


COLUMNS = [field.name for field in fields(Frozen)]


def read_frozen(path: Path) -> dict[str, Frozen]:
    """The list, by id.

    Without the file nothing is frozen; DVC runs no stage without the files that it reads.

    Raises:
        DataError: It is no such list.
    """
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file, strict=True))
    except OSError as error:
        raise DataError(path, "the list of frozen test images", reason(error), "restore it from git") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(path, "a table in UTF-8", str(error), "restore it from git") from None
    if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise DataError(path, f"lines of {','.join(COLUMNS)}", "others", "restore it from git")
    lines = [Frozen(*row) for row in rows[1:]]
    found = {line.id: line for line in lines}
    if len(found) < len(lines):
        raise DataError(path, "each id once", "one twice", "restore it from git")
    return found


def write_frozen(path: Path, lines: Iterable[Frozen]) -> None:
    """Write the list, sorted by id."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(line) for line in sorted(lines, key=lambda line: line.id))
    write_text(path, text.getvalue())


def check_unchanged(path: Path, frozen: Mapping[str, Frozen], found: Mapping[str, Frozen]) -> None:
    """Refuse frozen images that are not what they were.

    Args:
        path: The list.
        frozen: What it says.
        found: The same images as they are now.

    Raises:
        DataError: The pixels or the labels of some differ; the message names them.
    """
    changed = {
        name: [what for what in ("image", "labels") if getattr(now, what) != getattr(frozen[name], what)]
        for name, now in sorted(found.items())
    }
    if said := [f"{name} ({' and '.join(what)})" for name, what in changed.items() if what]:
        raise DataError(path, f"{len(frozen)} images as they were", f"{len(said)} changed: {listed(said)}", AGAIN)


def check_there(path: Path, frozen: Mapping[str, Frozen], there: Mapping[str, str]) -> None:
    """Refuse frozen images that are missing, or that their publisher has moved to another split.

    Args:
        path: The list.
        frozen: What it says.
        there: The split in which each image is found; `all` where its source has none.

    Raises:
        DataError: Some are missing; the message names them.
    """
    if missing := sorted(frozen.keys() - there.keys()):
        raise DataError(path, f"{len(frozen)} images", f"{len(missing)} of them missing: {listed(missing)}", AGAIN)
    if moved := [f"{name} in {there[name]}" for name in sorted(frozen) if there[name] in ("train", "val")]:
        raise DataError(path, "images of the test split", listed(moved), AGAIN)


def listed(names: list[str], most: int = 5) -> str:
    """The first of some names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def image_digest(image: Array) -> str:
    """The SHA-256 of an image's size and pixels."""
    digest = hashlib.sha256(json.dumps(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def labels_digest(mask: Array, instances: Array | None, names: list[str]) -> str:
    """The SHA-256 of a mask and its objects; classes count by their names, so that renumbering them changes nothing.

    Args:
        mask: Ids of a source's own classes.
        instances: Numbers of its objects.
        names: The names of the source's classes.
    """
    there = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:IGNORE])
    order = sorted(map(int, there), key=lambda number: names[number])
    ranks = np.full(256, IGNORE, np.uint8)
    ranks[order] = np.arange(len(order))
    digest = hashlib.sha256(json.dumps([mask.shape, [names[number] for number in order]]).encode())
    digest.update(ranks[mask].data)
    if instances is not None:
        digest.update(np.ascontiguousarray(instances).data)
    return digest.hexdigest()
