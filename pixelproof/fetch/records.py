"""What a file was when it was first used, for files whose publisher states no digest: a later change is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelproof.core.errors import FetchError
from pixelproof.core.files import read_json, sha256, write_json


def check(path: Path, name: str, cache: Path) -> None:
    """Check that a file is what it was when it was first used; if this is the first time, anything is right.

    Args:
        path: The file.
        name: What it is called in the record.
        cache: The folder of the cache, which holds the records.

    Raises:
        FetchError: The file has changed.
    """
    record = _record(name, cache)
    if not record.exists():
        return
    first: Any = read_json(record)
    found = _facts(path)
    if found != first:
        what = f"{found['bytes']} bytes with SHA-256 {found['sha256'][:16]}..., when first used "
        what += f"{first['bytes']} bytes with {first['sha256'][:16]}..."
        raise FetchError(path.name, what, f"get the earlier file, or delete {record} to accept this one")


def note(path: Path, name: str, cache: Path) -> None:
    """Record what a file is, if this is the first time it is used.

    Args:
        path: The file, which was unpacked without an error.
        name: What it is called in the record.
        cache: The folder of the cache.
    """
    if not (record := _record(name, cache)).exists():
        write_json(record, _facts(path))


def noted(name: str, cache: Path) -> str:
    """The SHA-256 of a file as it was first used; empty if it was not."""
    record = _record(name, cache)
    return str(read_json(record)["sha256"]) if record.exists() else ""


def _record(name: str, cache: Path) -> Path:
    return cache / "records" / f"{name}.json"


def _facts(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}
