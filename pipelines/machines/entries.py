"""Entries of dvc.lock, taken out of one and put into another as DVC writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.dvc.lock import LOCK
from pixelproof.core.files import write_text


def read_entries(root: Path) -> dict[str, Any]:
    """The entries of a folder's dvc.lock by stage, as plain values in their order."""
    from dvc.utils.serialize import parse_yaml

    path = root / LOCK
    if not path.is_file():
        return {}
    found: dict[str, Any] = parse_yaml(path.read_text(encoding="utf-8"), str(path)).get("stages", {})
    return found


def put_entries(root: Path, entries: Mapping[str, Any]) -> None:
    """Put entries into a folder's dvc.lock in place of those of the same stages; new ones come last, as DVC does it."""
    from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

    path = root / LOCK
    content: Any = {"schema": "2.0"}
    if path.is_file():
        content = parse_yaml_for_update(path.read_text(encoding="utf-8"), str(path))
    content.setdefault("stages", {}).update(json.loads(json.dumps(entries)))
    write_text(path, dumps_yaml(content))
