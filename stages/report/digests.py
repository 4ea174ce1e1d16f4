"""SHA-256 digests of what the page rests on, such that the tools of any shell find the same ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixelproof.core import syntax
from pixelproof.core.files import sha256

OURS = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
CODE = "bin/python -m pixelproof.core.syntax"


def of_file(path: Path) -> str | None:
    """The digest of a file, as sha256sum finds it; None where there is none."""
    return sha256(path) if path.is_file() else None


def of_folder(folder: Path) -> str | None:
    """One digest of all files of a folder and their names, as the command OURS finds it inside it.

    It is the digest of sha256sum's own lines, `<digest>  ./<path>`, in the order of the paths' bytes.
    """
    if not folder.is_dir():
        return None
    names = {f"./{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
    lines = [f"{sha256(names[name])}  {name}\n" for name in sorted(names, key=str.encode)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def of_code(root: Path, folders: Sequence[str]) -> str:
    """One digest of the syntax trees of some folders, as CODE with their names behind it finds it."""
    return hashlib.sha256(syntax.listing(root, folders).encode()).hexdigest()


def canonical(values: Any) -> str:
    """Values as the one JSON text that all equal values have: keys sorted, no space."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def of_values(values: Any) -> str:
    """The digest of values, as that of their canonical JSON."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()
