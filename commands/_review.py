"""Ranks the regions of labels that trained networks contradict, and writes them as a table and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from commands._csv import csv_text
from commands._ranking.judging import InFolds, Judge, Judges, OneForAll
from commands._ranking.origin import Origin, Origins
from commands._ranking.regions import Box, Labels, Region, find_regions, odds_of
from commands._ranking.scores import confusions, score, surprise_of
from commands._ranking.sheet import Card, outlined, page, painted, photo
from commands._ranking.table import check_out, page_of
from commands._trained import PREPARED, prepared
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_text
from pixelproof.core.params import pick, read_yaml
from pixelproof.core.progress import track
from pixelproof.data.dataset import Header, Sample, read_image, read_mask, read_split
from pixelproof.data.folds import folds_in
from stages.evaluate.slide import Image

COLUMNS = (
    "rank", "kind", "split", "image", "group", "task", "name", "frame", "url", "left", "top", "right", "bottom",
    "label", "predicted", "pixels", "score", "learnt",
)  # fmt: skip
TITLE = "Labels to look at"
AROUND = 16  # least pixels around a region in its pictures


@dataclass(frozen=True)
class Request:
    """Who judges which labels, how many rows are asked for, and where they go."""

    arch: str
    seeds: tuple[int, ...]
    splits: tuple[str, ...]
    number: int
    pictures: int
    links: bool
    out: Path


@dataclass(frozen=True)
class Suspect:
    """A region of a label that may be wrong."""

    split: str
    sample: Sample
    learnt: bool
    region: Region
    score: float = 0.0


def review(asked: Request) -> None:
    """Rank, write, and say what was found.

    Args:
        asked: what to rank.

    Raises:
        PixelproofError: a network or data is missing, or the table would replace another file.
    """
    check_out(asked.out, COLUMNS, TITLE)
    origins = Origins.read()
    prepared()
    seeds = asked.seeds or tuple(pick(read_yaml(Path("params.yaml")), "train.seeds"))
    folded = bool(folds_in(PREPARED))
    judges: Judges = InFolds(asked.arch, seeds) if folded else OneForAll(asked.arch, seeds)
    # With folds, val has the images of train, whole.
    splits = dict.fromkeys("val" if folded and split == "train" else split for split in asked.splits)
    images = [(split, sample) for split in splits for sample in read_split(PREPARED, split)]
    if not images:
        raise StateError(str(PREPARED), f"no image in {', '.join(asked.splits)}", "give --split another one")
    if asked.links:
        origins = found_in_cvat(origins, [sample for _, sample in images])
    first = rank(images, judges)[: asked.number]
    said = summary(first, len(images), sum(origins.of(one.sample).gone for one in first))
    table = csv_text(COLUMNS, (row(n, one, judges.header, origins) for n, one in enumerate(first, start=1)))
    shown = sheet(first[: asked.pictures], judges, origins, said)
    write_text(asked.out, table)
    write_text(page_of(asked.out), shown)
    print(f"wrote {asked.out} and {page_of(asked.out)}\n{said}")


def found_in_cvat(origins: Origins, samples: Sequence[Sample]) -> Origins:
    """The same, with what the server says of the tasks of these images."""
    from commands._cvat.frames import frames_of

    tasks = {origins.of(sample).task for sample in samples}
    return replace(origins, frames=frames_of({int(task) for task in tasks if task.isdecimal()}))


def rank(images: Sequence[tuple[str, Sample]], judges: Judges) -> list[Suspect]:
    """All regions that are contradicted, the most suspicious first.

    Args:
        images: splits and samples.
        judges: say which networks judge an image.
    """
    header = judges.header
    things = {info.id for info in header.classes if info.thing}
    counts, suspects = np.zeros((len(header.classes), len(header.classes)), np.int64), []
    for split, sample in track(images, "images judged", len(images)):
        judge, _, labels, predicted, odds = seen(split, sample, judges)
        counts += confusions(labels, predicted, len(header.classes))
        suspects += [Suspect(split, sample, judge.learnt, one) for one in find_regions(labels, predicted, odds, things)]
    surprise = surprise_of(counts)
    scored = [replace(one, score=score(one.region, surprise)) for one in suspects]
    return sorted(scored, key=lambda one: (-one.score, one.split, one.sample.id, *corners(one.region.box)))


Seen = tuple[Judge, Image, Labels, Labels, np.ndarray]


def seen(split: str, sample: Sample, judges: Judges) -> Seen:
    """One image with its judge, its labels, what is predicted, and the odds of that."""
    judge, image = judges.of(split, sample), read_image(PREPARED, split, sample)
    labels = read_mask(PREPARED, split, sample, len(judges.header.classes))
    return judge, image, labels, *odds_of(judge(image, f"{split}/{sample.id}"), labels)


def corners(box: Box) -> tuple[int, int, int, int]:
    """Left, top, right, bottom; the last two are outside."""
    rows, columns = box
    return columns.start, rows.start, columns.stop, rows.stop


def row(rank: int, one: Suspect, header: Header, origins: Origins) -> list[object]:
    """A row of the table; boxes in tiles are those in the whole image."""
    sample, origin, names = one.sample, origins.of(one.sample), header.names()
    x, y = sample.x or 0, sample.y or 0
    label, predicted = one.region.pair
    left, top, right, bottom = corners(one.region.box)
    return [
        rank, one.region.kind, one.split, sample.id, sample.group, origin.task, origin.name, origin.frame, origin.url,
        left + x, top + y, right + x, bottom + y, names[label], names[predicted], one.region.area, f"{one.score:.3f}",
        "yes" if one.learnt else "no",
    ]  # fmt: skip


def summary(first: Sequence[Suspect], images: int, gone: int) -> str:
    """What the rows are, which of them to trust less, and how many are of tasks that are gone."""
    kinds = Counter(one.region.kind for one in first)
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    learnt = sum(one.learnt for one in first)
    text = f"{len(first)} regions of {images} images" + (f": {said}" if said else "")
    if learnt:
        text += (
            f"; {learnt} are judged by a network that learnt from the image itself, and takes for right what it learnt"
        )
    if gone:
        text += f"; {gone} have no link: the server has no such task, or hides it from the token's owner"
    return text + "."


def sheet(first: Sequence[Suspect], judges: Judges, origins: Origins, said: str) -> str:
    """The page with pictures."""
    cards = [card(n, one, judges, origins.of(one.sample)) for n, one in enumerate(first, start=1)]
    return page(TITLE, said, cards, dense=False)


def card(rank: int, one: Suspect, judges: Judges, origin: Origin) -> Card:
    """The pictures of one region and its surroundings."""
    _, image, labels, predicted, _ = seen(one.split, one.sample, judges)
    names, (label, found) = judges.header.names(), one.region.pair
    inside = np.zeros(labels.shape, np.bool_)
    inside[one.region.box] = one.region.inside
    box = surroundings(one.region.box, labels.shape)
    views = {
        "photograph": image,
        "label": painted(labels, judges.header),
        "prediction": painted(predicted, judges.header),
    }
    pictures = [(name, photo(outlined(view[box], inside[box]))) for name, view in views.items()]
    where = [f"task {origin.task}" * bool(origin.task), origin.name, f"frame {origin.frame}" * bool(origin.frame)]
    facts = [f"{one.region.area} pixels", f"score {one.score:.2f}", *(["learnt from this image"] if one.learnt else [])]
    title = f"{rank}. {one.region.kind}: labelled {names[label]}, predicted {names[found]}"
    return Card(title, ", ".join([f"{one.split}/{one.sample.id}", *filter(None, where), *facts]), pictures, origin.url)


def surroundings(box: Box, shape: tuple[int, ...]) -> Box:
    """A box with half its longer side around it, within the image."""
    longer = max(side.stop - side.start for side in box)
    more = max(AROUND, longer // 2)
    rows, columns = (slice(max(0, s.start - more), min(n, s.stop + more)) for s, n in zip(box, shape, strict=True))
    return rows, columns
