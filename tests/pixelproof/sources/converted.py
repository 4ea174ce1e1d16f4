"""Convert a miniature as the stage does, and read back what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

from pixelproof.data.dataset import UNSPLIT, read_header, read_instances, read_mask, read_split, verify
from pixelproof.data.images import Array
from pixelproof.sources.request import Request


def convert(source: ModuleType, root: Path | None, target: Path, workers: int = 1, **more: Any) -> Path:
    """Convert, and check every file of the result."""
    source.convert(Request(seed=0, archive=root, options=more.pop("options", {}), workers=workers, **more), target)
    splits = tuple(path.parent.name for path in target.glob("*/index.csv"))
    verify(target, splits if UNSPLIT in splits else tuple(splits))
    return target


def masks(root: Path) -> dict[str, Array]:
    """`split/id -> mask` of a dataset."""
    classes = len(read_header(root).classes)
    splits = sorted(path.parent.name for path in root.glob("*/index.csv"))
    return {f"{split}/{s.id}": read_mask(root, split, s, classes) for split in splits for s in read_split(root, split)}


def instances(root: Path) -> dict[str, Array | None]:
    """`split/id -> instances` of a dataset."""
    splits = sorted(path.parent.name for path in root.glob("*/index.csv"))
    return {f"{split}/{s.id}": read_instances(root, split, s) for split in splits for s in read_split(root, split)}


def digest(root: Path) -> dict[str, str]:
    """`path -> SHA-256` of all files."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
