"""SHA-256 digests of what the page is based on, which can be reproduced with shell tools."""

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
    """The digest of a file, as from sha256sum; None if there is no such file."""
    return sha256(path) if path.is_file() else None


def of_folder(folder: Path) -> str | None:
    """One digest of all files of a folder and their names, as from the command OURS run inside it.

    It is the digest of sha256sum's output, `<digest>  ./<path>`, sorted by the bytes of the paths.
    """
    if not folder.is_dir():
        return None
    names = {f"./{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
    lines = [f"{sha256(names[name])}  {name}\n" for name in sorted(names, key=str.encode)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def of_code(root: Path, folders: Sequence[str]) -> str:
    """One digest of the syntax trees of some folders, as from CODE followed by their names."""
    return hashlib.sha256(syntax.listing(root, folders).encode()).hexdigest()


def canonical(values: Any) -> str:
    """Values as canonical JSON, the same text for equal values: keys sorted, no spaces."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def of_values(values: Any) -> str:
    """The digest of values: that of their canonical JSON."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()
