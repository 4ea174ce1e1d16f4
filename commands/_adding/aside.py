"""Exports that lie in data/annotations/ beside the store: as version 0.1.0 kept them, or put there by hand.

They are taken into the store, and then removed. A note says which ones an index has in it: where `add` was killed
before it removed them, the next one must not take them for newer labels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands._adding.staging import remove
from pixelproof.core.errors import DataError
from pixelproof.core.files import write_json
from stages.cvat.archive import ANNOTATIONS, is_export
from stages.cvat.store import EXPORTS, INDEX, PHOTOGRAPHS, is_store

NOTE = ".taken.tmp"  # DVC ignores *.tmp


def lying_about(store: Path) -> list[Path]:
    """The exports beside the store that its index does not know.

    Raises:
        DataError: Their names, or where their files are, do not allow them to be taken into the store.
    """
    if (store / ANNOTATIONS).exists():
        fix = f"move them to a folder {store.name}/NAME"
        raise DataError(store / ANNOTATIONS, "exports in it, as a .zip or a folder each", "the files of one", fix)
    ours = (EXPORTS, PHOTOGRAPHS) if is_store(store) else ()
    found = [path for path in sorted(store.glob("*")) if is_export(path) and path.name not in ours]
    if clash := [path for path in found if path.name in (EXPORTS, PHOTOGRAPHS)]:
        raise DataError(clash[0], "an export of another name", clash[0].name, "rename it")
    taken = _taken(store)
    return [path for path in found if path not in taken]


def note(store: Path, paths: Sequence[Path], index: str) -> None:
    """Note which exports an index has in it, before it is written."""
    if paths:
        known = {path.name: _looks(path) for path in paths}
        write_json(store / NOTE, {"index": hashlib.sha256(index.encode()).hexdigest(), "exports": known})


def tidy(store: Path) -> None:
    """Remove exports that the index has in it, the note about them, and files that a killed process did not finish."""
    for path in _taken(store):
        remove(path)
    for path in [*store.glob(".*.tmp"), *store.parents[1].glob(".params.yaml.*.tmp")]:
        remove(path)


def _taken(store: Path) -> list[Path]:
    """Exports that the index has in it, and that are as they were."""
    if not (store / NOTE).is_file() or not is_store(store):
        return []
    noted: dict[str, Any] = json.loads((store / NOTE).read_text())
    if noted["index"] != hashlib.sha256((store / INDEX).read_bytes()).hexdigest():
        return []
    return [
        path for name, looks in noted["exports"].items() if (path := store / name).exists() and _looks(path) == looks
    ]


def _looks(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
