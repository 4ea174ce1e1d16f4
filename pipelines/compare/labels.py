"""What changed in the data: images added, removed, moved and relabelled, and which class turned into which."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.compare.store import Outputs
from pipelines.dvc.lists import Listing
from pixelproof.data.dataset import IGNORE, SPLITS

DATA = "data/prepared"
HEADER = f"{DATA}/dataset.json"
UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class Turn:
    """How many pixels changed from one class to another; `unlabelled` pixels are ignored."""

    before: str
    after: str
    pixels: int


@dataclass(frozen=True)
class SplitChange:
    """What changed in one split. `unread` counts relabelled masks that could not be compared pixel by pixel."""

    split: str
    images: tuple[int, int]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    repainted: tuple[str, ...] = ()  # the image itself changed
    relabelled: tuple[str, ...] = ()
    turned: tuple[Turn, ...] = ()
    unread: int = 0

    @property
    def touched(self) -> frozenset[str]:
        """The images that both revisions have and label differently."""
        return frozenset((*self.repainted, *self.relabelled))


@dataclass(frozen=True)
class Move:
    """One image, by its id, that is now in another split."""

    id: str
    before: str
    after: str


@dataclass(frozen=True)
class DataChange:
    """All of it. `unknown` are the splits that differ, but whose files are not available on both sides."""

    splits: tuple[SplitChange, ...] = ()
    moves: tuple[Move, ...] = ()
    classes: tuple[tuple[str, str], ...] = ()  # what changed in a class, and its name
    unknown: tuple[str, ...] = ()

    def of(self, split: str) -> SplitChange | None:
        """What changed in a split; None if it is the same, or not known."""
        return next((change for change in self.splits if change.split == split), None)


@dataclass(frozen=True)
class Classes:
    """Class names by id, and their colours."""

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]


def read_classes(outputs: Outputs) -> Classes | None:
    """The classes of a revision's data; None if its dataset.json is not available."""
    content = outputs.file(HEADER)
    try:
        listed = json.loads(content)["classes"] if content is not None else None
        if listed is None:
            return None
        colors = [(int(c["color"][0]), int(c["color"][1]), int(c["color"][2])) for c in listed]
        return Classes(tuple(str(c["name"]) for c in listed), tuple(colors))
    except (ValueError, TypeError, KeyError, IndexError):
        outputs.lacking.add(HEADER)
        return None


def changed_data(base: Outputs, head: Outputs, classes: tuple[Classes | None, Classes | None]) -> DataChange:
    """Compare the splits by the hashes of their files; only masks that differ are read."""
    unknown, changes = [], []
    for split in SPLITS:
        path = f"{DATA}/{split}"
        if recorded_alike(base, head, path):
            continue  # whether or not its files are available
        old, new = base.listing(path), head.listing(path)
        if old is None or new is None:
            if base.lock.hash_of(path) != head.lock.hash_of(path):
                unknown.append(split)
        elif old != new:
            changes.append(split_change(split, base, head, classes))
    moves = [
        Move(name, left.split, came.split)
        for left in changes
        for came in changes
        for name in sorted(set(left.removed) & set(came.added))
        if left.split != came.split
    ]
    return DataChange(tuple(changes), tuple(moves), tuple(changed_classes(*classes)), tuple(unknown))


def recorded_alike(base: Outputs, head: Outputs, path: str) -> bool:
    """Whether both dvc.lock record the same folder, and no other may lie on disk."""
    here = base.is_here(path) or head.is_here(path)
    return not here and base.lock.hash_of(path) == head.lock.hash_of(path)


def split_change(
    split: str, base: Outputs, head: Outputs, classes: tuple[Classes | None, Classes | None]
) -> SplitChange:
    """One split whose files differ."""
    path = f"{DATA}/{split}"
    (old_images, old_masks), (new_images, new_masks) = (by_id(side.listing(path) or {}) for side in (base, head))
    both = sorted(old_masks.keys() & new_masks.keys())
    # Images are compared by their bytes: .png or .jpg, the stage copies or encodes them the same way each time.
    repainted = [name for name in both if old_images.get(name) != new_images.get(name)]
    relabelled = [name for name in both if old_masks[name] != new_masks[name]]
    turned, unread = turns(path, relabelled, base, head, classes)
    return SplitChange(
        split,
        (len(old_masks), len(new_masks)),
        tuple(sorted(new_masks.keys() - old_masks.keys())),
        tuple(sorted(old_masks.keys() - new_masks.keys())),
        tuple(repainted),
        tuple(relabelled),
        tuple(turned),
        unread,
    )


def by_id(listing: Listing) -> tuple[dict[str, str], dict[str, str]]:
    """The hashes of a split's images and of its masks, by id."""
    found: dict[str, dict[str, str]] = {"images": {}, "masks": {}}
    for name, oid in listing.items():
        folder, _, file = name.partition("/")
        if folder in found:
            found[folder][PurePosixPath(file).stem] = oid
    return found["images"], found["masks"]


def turns(
    path: str, ids: list[str], base: Outputs, head: Outputs, classes: tuple[Classes | None, Classes | None]
) -> tuple[list[Turn], int]:
    """Which class turned into which over these masks, most pixels first; and how many masks could not be compared."""
    total = np.zeros((256, 256), np.int64)
    unread = 0
    for side in (base, head):
        side.fetch((path, f"masks/{name}.png") for name in ids)
    for name in ids:
        old, new = (decoded(side.read(path, f"masks/{name}.png")) for side in (base, head))
        if old is None or new is None or old.shape != new.shape:
            unread += 1
            continue
        pairs = old.astype(np.int64).ravel() * 256 + new.ravel()
        total += np.bincount(pairs, minlength=256 * 256).reshape(256, 256)
    names = [labels(found) for found in classes]
    counted: dict[tuple[str, str], int] = {}
    for before, after in np.argwhere(total).tolist():
        pair = names[0](before), names[1](after)
        if pair[0] != pair[1]:
            counted[pair] = counted.get(pair, 0) + int(total[before, after])
    return [
        Turn(*pair, pixels) for pair, pixels in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ], unread


def labels(classes: Classes | None) -> Any:
    """A function from a value in a mask to its class's name."""

    def name(value: int) -> str:
        if value == IGNORE:
            return UNLABELLED
        return classes.names[value] if classes and value < len(classes.names) else f"class {value}"

    return name


def decoded(content: bytes | None) -> NDArray[np.uint8] | None:
    """A mask from the bytes of its PNG; None if it is not one."""
    import cv2

    array = None if not content else cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return array if array is not None and array.ndim == 2 and array.dtype == np.uint8 else None


def changed_classes(old: Classes | None, new: Classes | None) -> list[tuple[str, str]]:
    """How each class changed, if it did: added, removed, or with another id."""
    if old is None or new is None or old.names == new.names:
        return []
    said = [("added", name) for name in new.names if name not in old.names]
    said += [("removed", name) for name in old.names if name not in new.names]
    both = [name for name in old.names if name in new.names]
    return said + [("has another id", name) for name in both if old.names.index(name) != new.names.index(name)]
