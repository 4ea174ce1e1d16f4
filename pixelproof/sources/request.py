"""The facts that a source declares, and the arguments of its `convert`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pixelproof.core.errors import unknown_name
from pixelproof.data.dataset import ClassInfo, Header
from pixelproof.fetch.login import Login


@dataclass(frozen=True)
class Archive:
    """A public archive, pinned by a digest: the one stated here, or the one of the file that was used first."""

    name: str  # as its publisher calls it, without its ending: its name in a mirror and in the cache
    url: str  # empty if only a browser can fetch it: then it comes from a mirror
    max_bytes: int  # of the archive, and of what is unpacked from it
    bytes: int = 0  # of the archive, as it was published; 0: not stated
    folder: str = ""  # the wanted folder, relative to the archive's root; empty for all of it
    digest: str = ""  # covers the wanted folder's files (see unpack.digest); empty: see pixelproof/fetch/records.py
    max_files: int = 500_000  # in the wanted folder
    variants: tuple[str, ...] = ()  # the variants that need it; empty: all
    login: Login | None = None  # if the url asks for a name and a password
    where: str = ""  # how to get it, if no url gives it


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset before any of its files is read."""

    name: str
    licence: str
    classes: tuple[ClassInfo, ...] = ()  # of the first variant
    url: str = ""  # of its publisher's page
    images: int = 0  # as the publisher counts them; 0: it depends on params.yaml
    archives: tuple[Archive, ...] = ()
    note: str = ""  # what a reader of its metrics should know; stands in the data card
    others: Mapping[str, tuple[ClassInfo, ...]] = field(default_factory=dict)  # name -> classes of the other variants
    first: str = ""  # the name of the first variant, where there are others
    consent: bool = False  # whether its licence must be accepted before use (see pixelproof/fetch/licences.py)

    @property
    def source(self) -> dict[str, str]:
        """What dataset.json says about where the images come from."""
        stated = {"name": self.name, "licence": self.licence, "url": self.url, "note": self.note}
        return {key: value for key, value in stated.items() if value}

    @property
    def variants(self) -> list[str]:
        """The names that `download.variant` may have; the empty one is the first of them."""
        return [self.first, *self.others]

    def needed(self, asked: str) -> list[Archive]:
        """The archives that a variant is made of."""
        variant = self.variant(asked)
        return [archive for archive in self.archives if not archive.variants or variant in archive.variants]

    def variant(self, asked: str) -> str:
        """The variant asked for; the first if it is empty.

        Raises:
            ParamsError: The dataset has no such variant; the message lists those it has.
        """
        if asked and asked not in self.variants:
            raise unknown_name("download.variant", asked, ["''", *filter(None, self.variants)])
        return asked or self.first

    def header(self, asked: str = "") -> Header:
        """The contents of dataset.json for a variant."""
        return Header(
            self.name, self.others.get(self.variant(asked), self.classes), (self.source,) if self.licence else ()
        )


@dataclass(frozen=True)
class Request:
    """The arguments of a source's `convert`; the same request always gives the same bytes."""

    seed: int
    archive: Path | None  # what was unpacked and verified; several archives are folders in it; None: nothing is fetched
    options: Mapping[str, Any]  # the dataset's own section of `download` in params.yaml; {} if it has none
    workers: int  # number of processes; it must not change the output
    variant: str = ""  # empty: the first one
    kept: Path | None = None  # where converted images are kept until all are there, to go on after an interruption


class Source(Protocol):
    """What each folder of pixelproof/sources provides: a dataset's facts and one function."""

    FACTS: Facts

    def convert(self, request: Request, target: Path) -> None:
        """Write the canonical dataset into `target`."""
