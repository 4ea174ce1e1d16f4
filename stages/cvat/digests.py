"""Names in the store are digests of content: what is damaged or was edited there has another than its name says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pixelproof.core.errors import DataError
from pixelproof.core.files import files_below, sha256

DIGITS = 20  # of a photograph's digest
DIGITS_OF_EXPORT = 8
REMEDY = "add its export again, or restore data/annotations.dvc from git and run `bin/python -m dvc checkout --force`"


def export_digest(files: Iterable[tuple[str, bytes]], table: bytes) -> str:
    """The digest of an export.

    Args:
        files: The files with its labels, sorted by their paths in it.
        table: Which of its pictures are which photographs.
    """
    digest = hashlib.sha256()
    for member, content in files:
        digest.update(f"{member}\0{len(content)}\0".encode() + content)
    digest.update(table)
    return digest.hexdigest()[:DIGITS_OF_EXPORT]


def is_whole_photograph(path: Path) -> bool:
    """Whether a photograph of the store is what came."""
    return sha256(path)[:DIGITS] == path.stem


def is_whole_export(path: Path) -> bool:
    """Whether an export of the store is what came; `path` is its folder, beside which its table is."""
    members = sorted((file.relative_to(path).as_posix(), file) for file in files_below(path))
    files = ((member, file.read_bytes()) for member, file in members)
    table = path.with_name(f"{path.name}.csv")
    return table.is_file() and path.name.endswith(f"-{export_digest(files, table.read_bytes())}")


def damaged(where: Path | str) -> DataError:
    """The error of a file or folder of the store that is not what came."""
    return DataError(where, "the content that its name is a digest of", "another", REMEDY)
