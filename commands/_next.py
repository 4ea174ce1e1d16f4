"""Ranks unlabelled images, and writes them as a table and as a contact sheet."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands._csv import csv_text
from commands._images import check_image, names, read_photo, window_of
from commands._predict import predict, way_of
from commands._ranking.origin import INDEX
from commands._ranking.sheet import Card, page, photo
from commands._ranking.spread import Choice, candidate, choose
from commands._ranking.table import check_out, page_of
from commands._shown import Shown
from commands._trained import find_all
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_text
from pixelproof.core.params import load
from pixelproof.core.progress import track
from stages.evaluate.params import Params
from stages.evaluate.slide import Image

COLUMNS = ("rank", "image", "group", "uncertainty", "unsure", "why")
TITLE = "Images to label next"


@dataclass(frozen=True)
class Request:
    """Which network ranks, how it sees images, how many are asked for, and where the list goes."""

    arch: str
    seed: int
    size: Shown | None
    number: int
    out: Path


def rank_next(paths: Sequence[Path], asked: Request) -> None:
    """Rank, write, and say what was done.

    Args:
        paths: the images.
        asked: how.

    Raises:
        PixelproofError: the network or an image cannot be used, or the table would replace another file.
    """
    check_out(asked.out, COLUMNS, TITLE)
    params, trained = load("evaluate", Params), find_all(asked.arch, asked.seed)
    known = labelled()
    left = [path for path in paths if not known or digest(path) not in known]
    if not left:
        raise StateError("the images", f"all {len(paths)} of them are labelled already", "name other images")
    window = window_of(trained[0].header)
    for path in track(left, "images checked", len(left)):
        check_image(path, window)
    way = way_of(trained, params, params.evaluate, asked.size)
    candidates, where = [], dict[str, Path]()
    for path, short in track(zip(left, names(left), strict=True), "images predicted", len(left)):
        image, name = read_photo(path, window), str(path)
        where[name] = path
        found = predict(way, image, path)
        candidates.append(candidate(name, short.parent.as_posix(), image, found, len(trained[0].header.classes)))
    choices = choose(candidates, asked.number)
    said = f"{len(choices)} of {len(left)} images, from {len({one.candidate.group for one in choices})} groups"
    said += f"; {len(paths) - len(left)} are labelled already" if len(left) < len(paths) else ""
    cards = [card(n, one, read_photo(where[one.candidate.name], window)) for n, one in enumerate(choices, start=1)]
    write_text(asked.out, csv_text(COLUMNS, (row(n, one) for n, one in enumerate(choices, start=1))))
    write_text(page_of(asked.out), page(TITLE, f"{said}.", cards, dense=True))
    print(f"wrote {asked.out} and {page_of(asked.out)}: {said}")


def card(rank: int, one: Choice, image: Image) -> Card:
    """An image on the contact sheet."""
    return Card(f"{rank}. {one.candidate.name}", why(one), [("photograph", photo(image))])


def row(rank: int, one: Choice) -> list[object]:
    """A row of the table."""
    image = one.candidate
    return [rank, image.name, image.group, f"{image.uncertainty:.4f}", f"{image.unsure:.4f}", why(one)]


def why(one: Choice) -> str:
    """In words, why an image was chosen."""
    image = one.candidate
    said = [f"uncertainty {image.uncertainty:.2f}, {image.unsure:.0%} of its pixels unsure"]
    said.append(f"number {one.place} of {image.group}" if image.group != "." else f"number {one.place} of its folder")
    if one.nearest:
        said.append(f"{one.distance:.2f} from {one.nearest}")
    return "; ".join(said)


def labelled(index: Path = INDEX) -> set[str]:
    """The digests of the photographs that the index of data/annotations names; none without an index."""
    if not index.is_file():
        return set()
    with index.open(newline="", encoding="utf-8") as file:
        return {Path(row.get("photograph") or "").stem for row in csv.DictReader(file)} - {""}


def digest(path: Path) -> str:
    """The SHA-256 of a file, by which data/annotations names photographs."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
