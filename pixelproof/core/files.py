"""Writing files and folders whole or not at all, with the same bytes every time."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What DVC leaves out of a folder, as .dvcignore says: what Python, editors and half-done writes put beside the content.
IGNORED = ("__pycache__", "*.pyc", "*.tmp", "*~", "*.swp", ".DS_Store")


def files_below(path: Path) -> list[Path]:
    """The files of a folder that DVC hashes, sorted; of a file itself.

    Args:
        path: a folder, or one file.

    Returns:
        The paths, each beginning with `path`; none where there is nothing.
    """
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not any(map(_ignored, file.relative_to(path).parts)))


def _ignored(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in IGNORED)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target` to write into; it takes its place only when the block ends without an error."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_bytes(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file whole or not at all; `durable` also survives a power cut, and takes milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all, with the same line endings everywhere."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON that a person can read and that has the same bytes for the same value."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that a stage of ours wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
