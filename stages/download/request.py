"""What a source states about itself, and what it is handed to convert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Archive:
    """A public archive pinned to a revision. The digest is over the wanted folder's files (see unpack.digest)."""

    repository: str
    revision: str
    url: str
    folder: str  # what is wanted of it, relative to the repository's root
    digest: str
    max_files: int
    max_bytes: int


@dataclass(frozen=True)
class Request:
    """What a source's `convert` is handed; with the same request it writes the same bytes."""

    seed: int
    archive: Path | None  # the wanted folder, unpacked and verified; None where nothing is fetched
    options: Mapping[str, Any]  # the dataset's own section of `download` in params.yaml, {} where it has none
    workers: int  # processes; must not change a byte
