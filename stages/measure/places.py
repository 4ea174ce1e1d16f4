"""Landing sites of a split: the disks of every image as rows, judged by the ground truth, and their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pixelproof.data.dataset import Header
from pixelproof.scoring.resampling import bootstrap, group_sums, interval
from stages.measure.landing import (
    VERDICTS,
    Disk,
    Judge,
    Judgement,
    Rules,
    best_disks,
    clearance,
    from_centre,
    ground_lengths,
    window,
)
from stages.measure.params import SECTION, Landing
from stages.measure.read import Example
from stages.measure.write import Column, Row

CONFIDENCE, RESAMPLES, SEED = 0.95, 10_000, 0  # of the intervals of shares
FEWEST = 5  # groups with disks; with fewer, a share has no interval: there is too little to resample
LENGTHS = ("radius", "clearance", "true_clearance", "best_clearance", "lost")
COLUMNS: tuple[Column, ...] = (
    *((name, "string") for name in ("split", "id", "group")),
    ("rank", "int64"),
    ("x", "int64"),
    ("y", "int64"),
    ("certainty", "float64"),
    ("verdict", "string"),
    ("landable", "bool"),
    ("touched", "string"),
    ("too_near", "string"),
    ("metres_per_pixel", "float64"),
    *((name, "float64") for name in LENGTHS),
    *((f"{name}_m", "float64") for name in LENGTHS),
)


@dataclass(frozen=True)
class Place:
    """One disk and the verdict of the ground truth on it."""

    disk: Disk
    judgement: Judgement


@dataclass(frozen=True)
class Spots:
    """The disks of one image, the largest first; the best true landing site, and the largest true clearance."""

    id: str
    places: list[Place]
    best: Disk | None
    best_clearance: float


@dataclass
class Landings:
    """What is collected from a split's images."""

    rows: list[Row] = field(default_factory=list)
    without: dict[str, bool] = field(
        default_factory=dict
    )  # id of an image without a disk -> whether it has a true landing site
    drawn: list[str] = field(default_factory=list)  # ids of images that are drawn
    true_places: int = 0  # images with a true landing site
    false_by: Counter[str] = field(default_factory=Counter)
    too_near_by: Counter[str] = field(default_factory=Counter)


def rules_of(params: Landing, header: Header, metres_per_pixel: float | None, where: str) -> Rules:
    """The rules in the pixels of one image."""
    number = {info.name: info.id for info in header.classes}
    keep = {
        number[name]: length.in_pixels(metres_per_pixel, f"{SECTION}.keep_distance.{name}", where)
        for name, length in params.keep_distance.items()
    }
    radius = params.radius.in_pixels(metres_per_pixel, f"{SECTION}.radius", where)
    return Rules(frozenset(number[name] for name in params.safe), keep, radius, params.disks, params.certainty_levels)


def find_spots(example: Example, split: str, header: Header, params: Landing) -> Spots:
    """Choose the disks of an image by the prediction, and judge them by the ground truth."""
    sample = example.sample
    rules = rules_of(params, header, example.metres_per_pixel, f"{split}/{sample.id}")
    disks = best_disks(clearance(example.labels, rules, example.certainty), rules)
    judge = Judge.of(example.truth, rules)
    places = [Place(disk, judge.judge(disk)) for disk in disks]
    return Spots(sample.id, places, judge.best(), judge.largest)


def add_spots(landings: Landings, spots: Spots, example: Example, split: str, names: Sequence[str]) -> None:
    """Add the disks of one image; one without any is counted."""
    landings.true_places += spots.best is not None
    if not spots.places:
        landings.without[spots.id] = spots.best is not None
    for rank, place in enumerate(spots.places, start=1):
        said = place.judgement
        if said.verdict == "false":
            landings.false_by.update(names[n] for n in said.touched)
            landings.too_near_by.update(names[n] for n in said.too_near)
        landings.rows.append(row_of(rank, place, spots.best_clearance, example, split, names))


def row_of(rank: int, place: Place, best: float, example: Example, split: str, names: Sequence[str]) -> Row:
    """A disk as a row; `lost` is null if the ground truth cannot judge the disk."""
    disk, said, scale = place.disk, place.judgement, example.metres_per_pixel
    around = window(example.certainty.shape, disk, disk.radius)
    under = example.certainty[around][from_centre(example.certainty.shape, disk, around) <= disk.radius]
    lengths = {
        "radius": disk.radius,
        "clearance": disk.clearance,
        "true_clearance": said.clearance,
        "best_clearance": best,
        "lost": None if said.verdict == "unknown" else best - said.clearance,
    }
    return {
        "split": split,
        "id": example.sample.id,
        "group": example.sample.group,
        "rank": rank,
        "x": disk.x,
        "y": disk.y,
        "certainty": float(under.mean()) / 255,
        "verdict": said.verdict,
        "landable": said.landable,
        "touched": "|".join(names[n] for n in said.touched),
        "too_near": "|".join(names[n] for n in said.too_near),
        "metres_per_pixel": scale,
        **lengths,
        **ground_lengths(lengths, scale),
    }


def score(landings: Landings, images: int) -> dict[str, Any]:
    """The numbers of a split: how many disks are safe, the clearance lost, the classes that false ones touch."""
    first = [row for row in landings.rows if row["rank"] == 1]
    return {
        "images": images,
        "images_with_place": landings.true_places,
        "images_without_disk": len(landings.without),
        "missed_places": sum(landings.without.values()),
        "without_disk": sorted(landings.without),
        "disks": verdicts(landings.rows),
        "first_disks": verdicts(first),
        "clearance_lost": {"pixels": spread(first, "lost"), "metres": spread(first, "lost_m")},
        "false_by_class": dict(landings.false_by),
        "too_near_by_class": dict(landings.too_near_by),
        "pictures": landings.drawn,
    }


def verdicts(rows: Collection[Row]) -> dict[str, Any]:
    """The number of disks of each verdict; shares and their intervals are of the disks that can be judged."""
    kinds, small = Counter(row["verdict"] for row in rows), Counter(row["landable"] for row in rows)
    safe = [(row["group"], row["verdict"] == VERDICTS[True]) for row in rows if row["verdict"] != VERDICTS[None]]
    landable = [(row["group"], row["landable"]) for row in rows if row["landable"] is not None]
    return {
        "chosen": len(rows),
        **{name: kinds[name] for name in VERDICTS.values()},
        "safe_share": _share(safe),
        "safe_interval": share_interval(safe),
        "landable": small[True],
        "landable_share": _share(landable),
        "landable_interval": share_interval(landable),
    }


def _share(judged: Collection[tuple[str, bool]]) -> float | None:
    return sum(good for _, good in judged) / len(judged) if judged else None


def share_interval(judged: Collection[tuple[str, bool]]) -> list[float] | None:
    """Where the share of good disks, each with its group, would lie for other images of the same kind.

    A bootstrap over the groups, as in evaluate. Every group has a disk, so that each resample has a share.
    """
    groups = [group for group, _ in judged]
    if len(set(groups)) < FEWEST:
        return None
    units = group_sums(np.array([[good, 1] for _, good in judged], np.int64), groups)
    samples = bootstrap(units, lambda sums: sums[..., :1] / sums[..., 1:], RESAMPLES, np.random.default_rng(SEED))
    low, high = interval(samples, CONFIDENCE)
    return [float(low[0]), float(high[0])]


def spread(rows: Collection[Row], column: str) -> dict[str, float | int | None]:
    """Median and mean of a column, over the rows that have it."""
    values = [row[column] for row in rows if row[column] is not None]
    there = bool(values)
    return {
        "disks": len(values),
        "median": float(np.median(values)) if there else None,
        "mean": float(np.mean(values)) if there else None,
    }
