"""What a source states about itself, and what it is handed to convert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pixelproof.data.dataset import ClassInfo


@dataclass(frozen=True)
class Archive:
    """A public archive pinned to a revision. The digest is over the wanted folder's files (see unpack.digest)."""

    repository: str
    revision: str
    url: str
    folder: str  # what is wanted of it, relative to the repository's root
    digest: str
    max_files: int  # in the wanted folder
    max_bytes: int  # of the archive, and of what comes out of it

    @property
    def name(self) -> str:
        """What the archive is called in a mirror and in the cache, before its ending."""
        return f"{self.repository}-{self.revision}"


@dataclass(frozen=True)
class Request:
    """What a source's `convert` is handed; with the same request it writes the same bytes."""

    seed: int
    archive: Path | None  # the wanted folder, unpacked and verified; None where nothing is fetched
    options: Mapping[str, Any]  # the dataset's own section of `download` in params.yaml, {} where it has none
    workers: int  # processes; must not change a byte


class Source(Protocol):
    """A file of pixelproof/sources: a dataset's facts and its one function."""

    NAME: str
    CLASSES: tuple[ClassInfo, ...]
    SOURCE: dict[str, str]
    ARCHIVE: Archive | None

    def convert(self, request: Request, target: Path) -> None:
        """Write the canonical dataset into `target`."""
