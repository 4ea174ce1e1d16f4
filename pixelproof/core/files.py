"""Write files and folders, with the same bytes every time and never half-written."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pixelproof.core.errors import is_full

# The patterns of .dvcignore: files of Python, editors and the system, and unfinished writes. DVC does not hash them.
IGNORED = ("__pycache__", "*.pyc", "*.tmp", "*~", "*.swp", ".DS_Store")


def files_below(path: Path) -> list[Path]:
    """The files in a folder that DVC hashes, sorted; for a file, the file itself.

    Args:
        path: a folder or a file.

    Returns:
        Paths that begin with `path`; an empty list if it does not exist.
    """
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not any(map(_ignored, file.relative_to(path).parts)))


def _ignored(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in IGNORED)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `target`; it replaces `target` only if the block ends without an error.

    One process at a time writes a folder, so those that killed processes left are removed first.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    pattern = re.compile(rf"\.{re.escape(target.name)}\.\d+\.tmp")
    for left in target.parent.iterdir() if target.parent.is_dir() else ():
        if pattern.fullmatch(left.name):
            shutil.rmtree(left, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        with naming(target):
            yield beside
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def naming(path: Path, beside: Path | None = None) -> Iterator[None]:
    """Name what is written in the error of a full disk, which names no path, and in one of the temporary file."""
    try:
        yield
    except OSError as error:
        if (is_full(error) and not error.filename) or (beside is not None and error.filename == str(beside)):
            error.filename, error.filename2 = str(path), None
        raise


def write_bytes(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file atomically; with `durable` it also survives a power cut, which costs some milliseconds."""
    with replacing(path, durable) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a temporary file next to `path`; it replaces `path` only if the block ends without an error.

    Args:
        path: the file.
        durable: it also survives a power cut, which costs some milliseconds.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path, beside):
            with _created(beside) as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(path)
    except BaseException:  # of a killed process, it stays
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _created(path: Path) -> BinaryIO:
    """A new file, and its folder where there is none: to look first would cost as much as to write a small file."""
    try:
        return path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with the same line endings on every system."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; the same value always gives the same bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that this project wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
