"""Files beside the stages' outputs: those of architectures and seeds that were removed from params.yaml, which DVC does
not delete, and strangers' own.

The report depends on the folders `models`, `results` and `data/prepared` as a whole, so they would enter dvc.lock.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pixelproof.core.files import files_below

FOLDERS = ("models", "results")
PREPARED = "data/prepared"


def leftovers(root: Path, declared: Collection[str]) -> list[str]:
    """The folders `models/<architecture>/<seed>` and `results/<architecture>/<seed>` that no stage declares.

    Args:
        root: the folder of the clone.
        declared: the stages' outputs, relative to `root`. A folder that contains one, or is inside one, is kept.

    Returns:
        Paths relative to `root`, sorted. Folders without any file that DVC would hash are left out.
    """
    found = [folder for name in FOLDERS for folder in (root / name).glob("*/*") if folder.name.isdecimal()]
    paths = {folder.relative_to(root).as_posix(): folder for folder in found if folder.is_dir() and files_below(folder)}
    return sorted(path for path in paths if not any(_touch(path, output) for output in declared))


def strays(root: Path, declared: Collection[str]) -> list[str]:
    """The files in folders that the report depends on as a whole, but that no stage has written.

    Args:
        root: the folder of the clone.
        declared: the stages' outputs, relative to `root`.

    Returns:
        Paths relative to `root`, sorted.
    """
    found = [file.relative_to(root).as_posix() for name in (*FOLDERS, PREPARED) for file in files_below(root / name)]
    return sorted(file for file in found if not any(_touch(file, output) for output in declared))


def _touch(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
