"""Which image of which source goes into which split; decided before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import SPLITS, UNSPLIT, Header, Sample, read_header, read_split
from pixelproof.data.splitting import Split, best_salt, empty_splits, images_per_split, split_of
from stages.prepare.params import Prepare, SourceName


@dataclass(frozen=True)
class Source:
    """A canonical dataset written by an earlier stage."""

    name: SourceName
    root: Path
    header: Header
    splits: Mapping[str, list[Sample]]


@dataclass(frozen=True)
class Placed:
    """One image, where it comes from and which split it goes to."""

    source: Source
    found_in: str
    sample: Sample
    split: str


def read_source(name: SourceName, root: Path) -> Source:
    """Read a source's header and splits: the published ones, or the single unsplit one."""
    header = read_header(root)
    splits = {s: read_split(root, s) for s in (*SPLITS, UNSPLIT) if (root / s / "index.csv").exists()}
    if not any(splits.values()):
        raise ParamsError("prepare.sources", f"{name!r}, which holds no image", "remove it, or add images")
    return Source(name, root, header, splits)


def place(sources: list[Source], params: Prepare) -> list[Placed]:
    """Every image with its split, sorted by split and id; published splits are kept."""
    shares = params.split
    placed = [
        Placed(source, found, sample, _split(found, sample, shares))
        for source in sources
        for found, samples in source.splits.items()
        for sample in samples
    ]
    _check_filled(placed, shares)
    _check_ids(placed)
    _check_groups(placed)
    return sorted(placed, key=lambda p: (p.split, p.sample.id))


def crossing_groups(placed: list[Placed], split: str) -> list[str]:
    """Groups of a published split that are also in an earlier one (train before val before test)."""
    earlier = SPLITS[: SPLITS.index(split)]
    before = {p.sample.group for p in placed if p.split in earlier}
    return sorted(before & {p.sample.group for p in placed if p.split == split})


def _split(found: str, sample: Sample, shares: Split) -> str:
    return split_of(sample.group, shares.val, shares.test, shares.salt) if found == UNSPLIT else found


def _check_filled(placed: list[Placed], shares: Split) -> None:
    """An empty split is an error if we made it, but not if a source publishes it that way."""
    groups = Counter(p.sample.group for p in placed if p.found_in == UNSPLIT)
    counts = Counter(p.split for p in placed)
    empty = empty_splits({s: counts[s] for s in SPLITS}, shares.val, shares.test)
    if not groups or not empty:
        return
    salt = best_salt(groups, shares.val, shares.test)
    if salt is None:
        fix = "no salt fills every split: more groups are needed (with `cvat.group: image`, each image is one)"
    else:
        share = images_per_split(groups, shares.val, shares.test, salt)
        fix = f"set it to {salt}, which gives " + ", ".join(f"{split} {share[split]}" for split in SPLITS)
    raise ParamsError(
        "prepare.split.salt",
        f"{shares.salt}, which puts none of the {len(groups)} groups into {' or '.join(empty)}",
        fix,
    )


def _check_ids(placed: list[Placed]) -> None:
    seen: dict[str, Placed] = {}
    for one in placed:
        other = seen.setdefault(one.sample.id, one)
        if other is not one:
            raise DataError(
                _index(one), "unique ids", f"{one.sample.id!r}, also in {_index(other)}",
                "rename one of the two images",
            )  # fmt: skip


def _check_groups(placed: list[Placed]) -> None:
    """A group that we assign to a split must not be in another split of another source."""
    ours = {p.sample.group: p for p in placed if p.found_in == UNSPLIT}
    for one in placed:
        other = ours.get(one.sample.group)
        if other is not None and other.split != one.split:
            found = f"{one.sample.group!r} in {one.split}, and in {other.split} through {_index(other)}"
            raise DataError(_index(one), "each group in one split only", found, "rename the group in one of the two")


def _index(placed: Placed) -> str:
    return f"{placed.source.root.as_posix()}/{placed.found_in}/index.csv"
