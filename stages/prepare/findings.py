"""What is found in the images while they are prepared: mistakes that end the stage, and warnings for the data card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, SPLITS, UNSPLIT
from pixelproof.data.images import Array
from pixelproof.data.remembered import Parts
from pixelproof.data.splitting import best_salt, part_of
from stages.prepare.checks import (
    BITS,
    TILE,
    Misfit,
    Pair,
    Trace,
    equal_images,
    looked,
    misfits,
    near_images,
    shared_masks,
    uneven_classes,
)
from stages.prepare.frozen import Frozen, check_unchanged, image_digest, labels_digest, listed
from stages.prepare.params import Prepare, SourceName
from stages.prepare.plan import LEFT_OUT, Placed, Source

MOST = 200  # pairs in the data card
ARRAYS = ("small", "steep", "edges")  # of a trace, as they are remembered


def seen(image: Array, mask: Array, instances: Array | None, names: list[str]) -> Parts:
    """What is looked at in an image as its source has it, as it can be remembered.

    Args:
        image: Its pixels.
        mask: Ids of its source's own classes.
        instances: Numbers of its objects.
        names: The names of its source's classes.
    """
    difference, *arrays = looked(image, mask)
    counts = np.bincount(mask.ravel(), minlength=256)
    facts = {
        "image": image_digest(image),
        "labels": labels_digest(mask, instances, names),
        "hash": difference,
        "pixels": [[int(number), int(counts[number])] for number in np.flatnonzero(counts)],
    }
    return {"seen": json.dumps(facts).encode()} | {
        name: array.tobytes() for name, array in zip(ARRAYS, arrays, strict=True)
    }


@dataclass
class Findings:
    """What was seen of the images, and what follows from it."""

    params: Prepare
    frozen: Mapping[str, Frozen]
    traces: list[Trace] = field(default_factory=list)
    values: dict[SourceName, Array] = field(default_factory=dict)  # pixels by id, as the source has them
    held: dict[str, Counter[str]] = field(default_factory=dict)  # pixels of classes, by group that we assign to a split
    unlabelled: Counter[str] = field(default_factory=Counter)  # images without a labelled pixel, by split

    def take(self, one: Placed, ids: Array, found: Parts) -> None:
        """Add what was `seen` of an image; `ids` are the prepared ids of its source's classes."""
        facts = json.loads(found["seen"])
        state = Frozen(one.sample.id, one.sample.group, facts["image"], facts["labels"])
        small, steep, edges = (np.frombuffer(found[name], np.uint8) for name in ARRAYS)
        self.traces.append(Trace(one.part, state, facts["hash"], small.reshape(TILE, TILE), steep, edges))
        pixels = self.values.setdefault(one.source.name, np.zeros(256, np.int64))
        for number, count in facts["pixels"]:
            pixels[number] += count
        labelled = [(ids[number], count) for number, count in facts["pixels"] if ids[number] != IGNORE]
        self.unlabelled.update(dict.fromkeys(one.splits, int(not labelled)))
        if one.found_in == UNSPLIT:
            group = self.held.setdefault(one.sample.group, Counter())
            for kind, count in labelled:
                group[str(kind)] += count

    def conclude(self, sources: list[Source]) -> Conclusions:
        """Compare all images.

        Raises:
            DataError: Masks of 0 and 255 were read as ids, a frozen image changed, or one stands in two splits.
        """
        for source in sources:
            if source.name == "download":  # the stage cvat draws its masks itself
                _check_values(source, self.values.get(source.name, np.zeros(256, np.int64)))
        now = {one.id: one.state for one in self.traces if one.id in self.frozen}
        check_unchanged(Path(self.params.split.frozen), self.frozen, now)
        equal = equal_images(self.traces)
        across = [pair for pair in equal if pair.across]
        if across and "twice" not in self.params.accept:
            raise DataError(
                "data/prepared", "each picture in one split", f"{len(across)} in two: {_pairs(across)}",
                "remove one of the two or give both one group; where a published split is so, add `twice` to"
                " prepare.accept",
            )  # fmt: skip
        return Conclusions(equal, near_images(self.traces), shared_masks(self.traces), misfits(self.traces))


@dataclass(frozen=True)
class Conclusions:
    """Pairs and misfits among all images."""

    equal: list[Pair]
    near: list[Pair]
    shared: list[Pair]
    misfits: list[Misfit]

    def warnings(self) -> list[str]:
        """A line for each kind that there is."""
        inside, across = ([pair for pair in self.equal if pair.across == value] for value in (False, True))
        lines: list[tuple[Sequence[object], str, str, str]] = [
            (inside, "pictures that stand twice in one split", _pairs(inside), "remove one of the two"),
            (
                across,
                "pictures that stand in two splits, as prepare.accept allows",
                _pairs(across),
                "scores are too good",
            ),
            (
                self.near,
                f"pairs of images in different splits that look alike (up to {BITS} of 64 bits of their hashes differ)",
                _pairs(self.near),
                "if they show one place, give both one group (`cvat.group`, or one folder around both)",
            ),
            (
                self.shared,
                "images that have the mask of another image",
                _pairs(self.shared),
                "check which it belongs to",
            ),
            (
                self.misfits,
                "masks that lie on the edges of another image, not of their own",
                listed([one.said for one in self.misfits]),
                "check whether they are swapped",
            ),
        ]
        return [f"{what}: {len(found)} ({those}); {fix}" for found, what, those, fix in lines if found]

    def as_json(self) -> dict[str, Any]:
        """Counts, and the first pairs of each kind."""
        return {
            "equal": {"count": len(self.equal), "pairs": [_entry(pair) for pair in self.equal[:MOST]]},
            "near": {"count": len(self.near), "bits": BITS, "pairs": [_entry(pair) for pair in self.near[:MOST]]},
            "one_mask": {"count": len(self.shared), "pairs": [_entry(pair) for pair in self.shared[:MOST]]},
            "mask_of_another": {
                "count": len(self.misfits),
                "pairs": [_entry(Pair(one.image, one.better)) for one in self.misfits[:MOST]],
            },
        }


def uneven(findings: Findings, pixels: dict[str, dict[str, int]], placed: list[Placed]) -> list[str]:
    """A line for the classes that one split or fold alone has, with the salt that would spread them if there is one.

    Args:
        findings: What was seen of the images.
        pixels: Of each class in each split, or fold, that has images.
        placed: All images.
    """
    found = uneven_classes(pixels)
    if not found:
        return []
    those = listed([f"{name} ({split})" for name, split in found])
    only = "one split or fold has" if findings.params.split.folds else "one split has"
    return [f"classes that only {only}: {len(found)} ({those}); {_remedy(findings, placed)}"]


def _remedy(findings: Findings, placed: list[Placed]) -> str:
    """What puts more classes into more splits: another salt, if all images are split by us."""
    more = "bring images of them in more groups"
    if findings.frozen or any(one.found_in != UNSPLIT for one in placed):
        return more
    split = findings.params.split
    groups = Counter(one.sample.group for one in placed)
    salt = best_salt(groups, split.val, split.test, findings.held, split.folds)
    if salt is None or _filled(findings, salt) <= _filled(findings, split.salt):
        return more
    return f"prepare.split.salt: {salt} spreads them better, if no result counts yet; else {more}"


def _filled(findings: Findings, salt: int) -> int:
    """How many classes the splits have under a salt, together; with folds, these and test."""
    split, held = findings.params.split, findings.held
    parts = {name: part_of(name, split.val, split.test, salt, split.folds) for name in held}
    return len({(parts[name], kind) for name, counts in held.items() for kind in counts})


def left_out(placed: list[Placed]) -> list[str]:
    """A line for the images that a frozen test split keeps out of all splits."""
    names = [one.sample.id for one in placed if one.split == LEFT_OUT]
    if not names:
        return []
    why = "their groups or published split are those of the frozen test split, which does not grow"
    return [f"images that are in no split: {len(names)} ({listed(names)}); {why}"]


def unlabelled(findings: Findings) -> list[str]:
    """A line for the images without labels."""
    counts = {split: findings.unlabelled[split] for split in SPLITS}
    if findings.params.split.folds:  # train and val are the same images
        counts = {"train and val": counts["train"], "test": counts["test"]}
    those = ", ".join(f"{split} {count}" for split, count in counts.items() if count)
    if not those:
        return []
    return [
        f"images without a labelled pixel: {sum(counts.values())} ({those}); nothing is learnt from them, nor scored"
    ]


def _check_values(source: Source, counts: Array) -> None:
    """Refuse masks that hold nothing but 0 and 255 where there are several classes."""
    classes = source.header.classes
    if len(classes) > 1 and counts[0] and counts[IGNORE] and not counts[1:IGNORE].any():
        raise DataError(
            source.root, f"pixels of {len(classes)} classes", f"only {classes[0].name!r} (0) and ignored ones (255)",
            "masks of 0 and 255 are not ids: make 255 the value of its class, in classes.csv or in the masks",
        )  # fmt: skip


def _pairs(pairs: list[Pair]) -> str:
    return listed([pair.said for pair in pairs], 3)


def _entry(pair: Pair) -> dict[str, Any]:
    return {
        "first": f"{pair.first.split}/{pair.first.id}",
        "second": f"{pair.second.split}/{pair.second.id}",
        "groups": [pair.first.state.group, pair.second.state.group],
        "bits": pair.bits,
        "same_labels": pair.first.state.labels == pair.second.state.labels,
    }
