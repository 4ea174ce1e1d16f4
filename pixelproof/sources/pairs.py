"""Find images and their masks in folders: `images` beside `masks`, anywhere below a root, in one folder or by split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import SPLITS, UNSPLIT
from pixelproof.sources.photos import ENDINGS

IMAGES = ("images", "image", "imgs", "img", "photos")
MASKS = ("masks", "mask", "labels", "label", "annotations", "annotation", "gt", "ground_truth", "segmentation")
SPELLINGS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst"),
}
SUFFIXES = ("", "_mask", "-mask", "_label", "_labels", "_gt", "_seg", "_segmentation", "_L")  # of a mask's name
LAYOUT = "a folder `images` beside a folder `masks`"


@dataclass(frozen=True)
class Pair:
    """An image, its mask and what their places say."""

    id: str
    group: str
    split: str
    image: Path
    mask: Path


def find_pairs(root: Path) -> list[Pair]:
    """All pairs below a folder, sorted by split and id.

    An id is the path of the image without `images`: `Tile 1/images/part_01.jpg` is `Tile-1-part_01`. The folders on
    the way that name no split are the group; an image without them is a group of its own.

    Args:
        root: The folder.

    Raises:
        DataError: There is no such layout, an image or a mask has no partner, or only some pairs lie in splits.
    """
    pairs = [pair for images, masks in _beside(root) for pair in _of_one(root, images, masks)]
    if not pairs:
        raise DataError(root, LAYOUT, "none with an image in it", "name the folder that holds the two")
    splits = {pair.split for pair in pairs}
    if UNSPLIT in splits and len(splits) > 1:
        odd = next(pair for pair in pairs if pair.split == UNSPLIT)
        raise DataError(
            odd.image, f"a place in {', '.join(sorted(splits - {UNSPLIT}))}, as others have", "none", "move it"
        )
    seen: dict[str, Pair] = {}
    for pair in pairs:
        if (other := seen.setdefault(pair.id, pair)) is not pair:
            raise DataError(pair.image, "a name of its own", f"the id {pair.id!r}, as {other.image} has", "rename it")
    return sorted(pairs, key=lambda pair: (pair.split, pair.id))


def has_pairs(root: Path) -> bool:
    """Whether a folder holds images beside masks that are images: other tools keep texts in folders of these names."""
    return any(_files(images) and _files(masks) for images, masks in _beside(root))


def _beside(root: Path) -> Iterator[tuple[Path, Path]]:
    """The folders of images that have a folder of masks beside them."""
    for folder in sorted([root, *(path for path in root.rglob("*") if path.is_dir())]):
        names = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
        images = next((names[name] for name in IMAGES if name in names), None)
        masks = next((names[name] for name in MASKS if name in names), None)
        if images and masks:
            yield images, masks


def _of_one(root: Path, images: Path, masks: Path) -> Iterator[Pair]:
    """The pairs of one folder of images and one of masks, which may have folders inside."""
    photos, labels = _files(images), _files(masks)
    suffix = max(SUFFIXES, key=lambda end: sum(stem + end in labels for stem in photos))
    for stem, image in photos.items():
        if stem + suffix not in labels:
            raise DataError(image, f"a mask {stem + suffix} in {masks.name}", "none", "add it, or move the image away")
        inside, around = Path(stem).parent.parts, images.parent.relative_to(root).parts
        split = next((name for part in (*around, *inside) if (name := _split(part))), UNSPLIT)
        place = [part for part in (*around, *inside) if not _split(part)]
        name = slug("/".join([*around, *inside, Path(stem).name]))
        yield Pair(name, "/".join(place) or name, split, image, labels[stem + suffix])
    if extra := labels.keys() - {stem + suffix for stem in photos}:
        raise DataError(labels[min(extra)], f"its image in {images.name}", "none", "add it, or move the mask away")


def _files(folder: Path) -> dict[str, Path]:
    """The images of a folder by their paths in it, without endings."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            stem = path.relative_to(folder).with_suffix("").as_posix()
            if stem in found:
                raise DataError(path, "one file of this name", f"{found[stem].name} beside it", "remove one of the two")
            found[stem] = path
    return found


def _split(part: str) -> str | None:
    return next((split for split in SPLITS if part.lower() in SPELLINGS[split]), None)


def slug(name: str) -> str:
    """A valid id from a name: runs of characters that an id cannot have become `-`.

    Example:
        >>> slug("Tile 1/image_part_001")
        'Tile-1-image_part_001'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._") or "image"
