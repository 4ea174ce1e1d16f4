"""The facts that a source declares, and the arguments of its `convert`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pixelproof.data.dataset import ClassInfo


@dataclass(frozen=True)
class Archive:
    """A public archive pinned to a revision. The digest covers the wanted folder's files (see unpack.digest)."""

    repository: str
    revision: str
    url: str
    folder: str  # the wanted folder, relative to the repository's root
    digest: str
    max_files: int  # in the wanted folder
    max_bytes: int  # of the archive, and of what is unpacked from it

    @property
    def name(self) -> str:
        """The name of the archive in a mirror and in the cache, without its ending."""
        return f"{self.repository}-{self.revision}"


@dataclass(frozen=True)
class Request:
    """The arguments of a source's `convert`; the same request always gives the same bytes."""

    seed: int
    archive: Path | None  # the wanted folder, unpacked and verified; None if nothing is fetched
    options: Mapping[str, Any]  # the dataset's own section of `download` in params.yaml; {} if it has none
    workers: int  # number of processes; it must not change the output


class Source(Protocol):
    """What each folder of pixelproof/sources provides: a dataset's facts and one function."""

    NAME: str
    CLASSES: tuple[ClassInfo, ...]
    SOURCE: dict[str, str]
    ARCHIVE: Archive | None

    def convert(self, request: Request, target: Path) -> None:
        """Write the canonical dataset into `target`."""
