"""Which image of which source goes into which split; decided before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import (
    SPLITS,
    UNSPLIT,
    Header,
    Sample,
    read_header,
    read_instances,
    read_mask,
    read_split,
)
from pixelproof.data.holdings import held
from pixelproof.data.splitting import (
    Split,
    best_salt,
    empty_splits,
    fold_name,
    fold_of,
    images_per_split,
    split_beside_frozen,
    split_of,
)
from stages.prepare.frozen import Frozen, check_there
from stages.prepare.mapping import IGNORED
from stages.prepare.params import Prepare, SourceName

FOLDED = ("train", "val")  # the splits that are divided into folds together
LEFT_OUT = "none"  # the split of images that a frozen test split keeps out of all others


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

    @property
    def splits(self) -> tuple[str, ...]:
        """Where it is written: with folds, networks learn from it in train, and others are judged by it in val."""
        return (self.split,) if self.sample.fold is None else FOLDED

    @property
    def part(self) -> str:
        """Its split, or its fold."""
        return self.split if self.sample.fold is None else fold_name(self.sample.fold)


def read_source(name: SourceName, root: Path) -> Source:
    """Read a source's header and splits: the published ones, or the single unsplit one."""
    header = read_header(root)
    splits = {s: read_split(root, s) for s in (*SPLITS, UNSPLIT) if (root / s / "index.csv").exists()}
    if not any(splits.values()):
        raise ParamsError("prepare.sources", f"{name!r}, which holds no image", "remove it, or add images")
    return Source(name, root, header, splits)


def place(sources: list[Source], params: Prepare, frozen: Mapping[str, Frozen]) -> list[Placed]:
    """Every image with its split, sorted by split and id; published splits are kept.

    If there is a frozen test split, it is exactly that. Other images of its groups, and of published test splits, are
    in no split: training on them would spoil it. With folds, the images of train and val are in train, each with its
    fold.
    """
    shares = params.split
    found = [
        (source, split, sample) for source in sources for split, those in source.splits.items() for sample in those
    ]
    if frozen:
        check_there(Path(shares.frozen), frozen, {sample.id: split for _, split, sample in found})
    groups = {sample.group for _, _, sample in found if sample.id in frozen}
    groups |= {line.group for line in frozen.values()}
    placed = [
        Placed(source, split, sample, _split_beside(split, sample, shares, groups, frozen))
        if frozen
        else Placed(source, split, sample, _split(split, sample, shares))
        for source, split, sample in found
    ]
    if shares.learn_val:
        placed = [replace(one, split="train") if one.split == "val" else one for one in placed]
    if shares.folds:
        placed = [_folded(one, shares) if one.split in FOLDED else one for one in placed]
    _check_filled(placed, params, bool(frozen))
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


def _split_beside(found: str, sample: Sample, shares: Split, groups: Collection[str], frozen: Collection[str]) -> str:
    """The split of an image where the test split is frozen and has these groups."""
    if sample.id in frozen:
        return "test"
    if found == "test" or (found == UNSPLIT and sample.group in groups):
        return LEFT_OUT
    if found == UNSPLIT:
        return split_beside_frozen(sample.group, shares.val, shares.test, shares.salt)
    return found


def _folded(one: Placed, shares: Split) -> Placed:
    """An image of train or val, in its fold."""
    fold = fold_of(one.sample.group, shares.folds, shares.salt)
    return replace(one, sample=replace(one.sample, fold=fold), split="train")


def _check_filled(placed: list[Placed], params: Prepare, frozen: bool) -> None:
    """An empty split is an error if we made it, but not if a source publishes it that way; folds are ours."""
    shares = params.split
    ours = [p for p in placed if p.found_in == UNSPLIT]
    # The salt draws the test split too, but where that is frozen; of published images it draws the folds alone.
    whole = not shares.folds or (len(ours) == len(placed) and not frozen)
    free = [p for p in placed if p.sample.fold is not None or (p.found_in == UNSPLIT and not frozen)]
    drawn, test = (ours, shares.test) if whole else (free, 0.0)
    groups = Counter(p.sample.group for p in drawn)
    val = 0.0 if shares.learn_val else shares.val
    empty = empty_splits(Counter(p.part for p in placed), val, shares.test, shares.folds)
    empty = empty if ours else [part for part in empty if part not in SPLITS]
    if not empty:
        return
    stuck = frozen and (not shares.folds or "test" in empty)
    salt = None if stuck else best_salt(groups, val, test, _holdings(drawn, params), shares.folds)
    if stuck:
        fix = "the test split is frozen: bring more groups, or try another number"
    elif salt is None:
        what = "fold" if shares.folds else "split"
        fix = f"no salt fills every {what}: more groups are needed ({_grouped(drawn)})"
    else:
        share = images_per_split(groups, val, test, salt, shares.folds)
        share = {part: images for part, images in share.items() if images or part != "test"}
        fix = f"set it to {salt}, which gives " + ", ".join(f"{part} {images}" for part, images in share.items())
    raise ParamsError(
        "prepare.split.salt",
        f"{shares.salt}, which puts none of the {len(groups)} groups into {' or '.join(empty)}",
        fix,
    )


def _grouped(drawn: list[Placed]) -> str:
    """How there come to be more groups."""
    if any(one.source.name == "cvat" for one in drawn):
        return "with `cvat.group: image`, each image is one"
    return "in a folder of images and masks, those around `images` are the groups, and an image in none is one"


def _holdings(drawn: list[Placed], params: Prepare) -> dict[str, Counter[str]]:
    """What each group that we assign to a split or a fold holds of the classes."""
    found: dict[str, Counter[str]] = {}
    for one in drawn:
        source, classes = one.source, one.source.header.names()
        renames = params.map.get(source.name, {})
        names = [None if renames.get(name) == IGNORED else renames.get(name, name) for name in classes]
        mask = read_mask(source.root, one.found_in, one.sample, len(classes))
        instances = read_instances(source.root, one.found_in, one.sample)
        found.setdefault(one.sample.group, Counter()).update(held(mask, instances, names))
    return found


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
    used = [p for p in placed if p.split != LEFT_OUT]
    ours = {p.sample.group: p for p in used if p.found_in == UNSPLIT}
    for one in used:
        other = ours.get(one.sample.group)
        if other is not None and other.split != one.split:
            found = f"{one.sample.group!r} in {one.split}, and in {other.split} through {_index(other)}"
            raise DataError(_index(one), "each group in one split only", found, "rename the group in one of the two")


def _index(placed: Placed) -> str:
    return f"{placed.source.root.as_posix()}/{placed.found_in}/index.csv"
