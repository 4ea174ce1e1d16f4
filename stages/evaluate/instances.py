"""Scores of objects, one by one: AP of masks and boxes, PQ, and the score of the nuclei challenge. Pure: no files.

pixelproof/scoring says how each is counted. Networks that know classes alone take part too: their objects are what
hangs together, or what a watershed leaves of that, each as certain as its pixels are on average.

AP of boxes is that of the boxes around masks. Areas are of pixels that are not ignored.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.data.dataset import Header, Sample
from pixelproof.scoring.formulas import ratio
from pixelproof.scoring.instances import Certainty, Instance, boxed, compared, from_objects, laid_over, painted
from pixelproof.scoring.objects import CROWD, Labels, Numbers, components, true_objects
from pixelproof.scoring.objects import Objects as Map
from pixelproof.scoring.panoptic import BITS, ROWS, Quality, Segments, challenge, match, quality, touching
from pixelproof.scoring.precision import (
    HEADLINES,
    THRESHOLDS,
    Floats,
    Pieces,
    average_precisions,
    headlines,
    leaving_out,
    pieces,
    summary,
)
from pixelproof.scoring.resampling import group_sums, interval, jackknife, jackknifed
from pixelproof.scoring.touching import watershed
from stages.evaluate.params import Objects

KINDS = ("mask", "box")
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Seen:
    """An image, what is true of it, and what a network says of it."""

    sample: Sample
    truth: Labels
    numbers: Numbers  # of the true objects, `CROWD` where they were not told apart
    labels: Labels  # predicted
    found: Sequence[Instance]  # the best first


@dataclass(frozen=True)
class Said:
    """What a network says of an image: classes, certainties, a map of objects, and each by itself, the best first."""

    labels: Labels
    certainty: Certainty
    objects: Map
    each: Sequence[Instance]


def said_of(
    labels: Labels, certainty: Certainty, own: Sequence[Instance] | None, things: Sequence[int], how: Objects
) -> Said:
    """Objects that a network found, laid over its classes; None for those of a network that knows classes alone."""
    if own is None:
        objects = apart(labels, things, how)
        return Said(labels, certainty, objects, from_objects(objects, certainty))
    labels, certainty = painted(labels, certainty, own)
    over = laid_over(labels, own, things)
    return Said(labels, certainty, true_objects(over.classes, over.objects.astype(np.uint16), things), own)


def apart(labels: Labels, things: Sequence[int], how: Objects) -> Map:
    """The objects of a network that knows classes alone."""
    return components(labels, things) if how.split == "components" else watershed(labels, things, how.neck)


class InstanceTally:
    """What the scores of a split are computed from, collected image by image."""

    def __init__(self, header: Header, how: Objects, own: bool = False) -> None:
        self.names, self.how = header.names(), how
        self.things = [info.id for info in header.classes if info.thing]
        sizes, end = how.sizes, np.inf
        ranges = {"all": (0, end), "small": (0, sizes.medium - 1), "medium": (sizes.medium, sizes.large - 1)}
        self.ranges = ranges | {"large": (sizes.large, end)}
        self.source = "network" if own else how.split
        self.samples = list[Sample]()
        self.pieces = {kind: {label: list[Pieces]() for label in self.things} for kind in KINDS}
        self.panoptic = list[NDArray[np.float64]]()  # of each image
        self.touching = list[NDArray[np.int64]]()  # likewise, [2, classes]: objects that touch another, and those found

    def add(self, seen: Seen) -> None:
        """Add one image."""
        self.samples.append(seen.sample)
        for label in self.things:
            masks = compared(seen.truth, seen.numbers, seen.found, label)
            both = {"mask": masks, "box": boxed(masks, seen.truth, seen.numbers, seen.found, label)}
            for kind, found in both.items():
                self.pieces[kind][label].append(pieces(found, list(self.ranges.values()), self.how.most))
        true = Segments(seen.truth, seen.numbers, seen.numbers == CROWD)
        predicted = laid_over(seen.labels, seen.found, self.things)
        matched = match(true, predicted, len(self.names), self.things)
        self.panoptic.append(matched.table)
        close = touching(true, self.things)
        self.touching.append(np.stack([self.by_class(close), self.by_class(close & matched.found)]))

    def by_class(self, objects: Collection[int]) -> NDArray[np.int64]:
        """How many of some objects each class has."""
        return np.bincount([key >> BITS for key in objects], minlength=len(self.names)).astype(np.int64)

    def metrics(self, confidence: float) -> dict[str, Any]:
        """The scores of all images added, with intervals over groups of images."""
        return {
            "from": self.source,
            **{kind: self.precision(kind, confidence) for kind in KINDS},
            "panoptic": self.panoptic_quality(confidence),
            "challenge": mean([challenge(table, self.things) for table in self.panoptic]),
            "counting": self.counting(),
            "touching": self.found_touching(confidence),
        }

    def found_touching(self, confidence: float) -> dict[str, Any]:
        """Of the objects that touch another of their class, how many there are and the share that is found."""
        images = np.array(self.touching, np.int64).reshape(-1, 2, len(self.names))
        units = group_sums(images, [sample.group for sample in self.samples])
        every, hits = units[:, 0].sum(1, keepdims=True), units[:, 1].sum(1, keepdims=True)
        share, variance = jackknife(
            np.stack([every, hits], axis=1), lambda sums: ratio(sums[..., 1, :], sums[..., 0, :])
        )
        (low,), (high,) = interval(share, variance, every.astype(np.float64), confidence)
        total = images.sum(axis=0)
        shares = ratio(total[1], total[0])
        return {
            "objects": int(total[0].sum()),
            "found": known(share[0]),
            "interval": None if np.isnan(low) else [float(low), float(high)],
            "classes": {self.names[c]: {"objects": int(total[0, c]), "found": known(shares[c])} for c in self.things},
        }

    def counting(self) -> dict[str, Any]:
        """By class, how far the number of predicted objects of an image is from that of the true ones, on average."""
        tables = np.array(self.panoptic).reshape(-1, ROWS, len(self.names))
        more = tables[:, 1] - tables[:, 2]  # those that match are on both sides
        each = {self.names[label]: more[:, label] for label in self.things}
        return {name: {"error": mean(np.abs(of).tolist()), "bias": mean(of.tolist())} for name, of in each.items()}

    def precision(self, kind: str, confidence: float) -> dict[str, Any]:
        """AP of masks or of boxes: of all things, and of each class."""
        parts = {self.names[label]: found for label, found in self.pieces[kind].items()}
        nothing: Floats = np.full((len(self.ranges), len(THRESHOLDS)), np.nan)
        tables = {name: average_precisions(found) if found else nothing for name, found in parts.items()}
        classes = {name: summary({name: table}, list(self.ranges)) for name, table in tables.items()}
        ends = intervals_of(parts, [sample.group for sample in self.samples], confidence)
        return {**summary(tables, list(self.ranges)), "intervals": ends, "classes": classes}

    def panoptic_quality(self, confidence: float) -> dict[str, Any]:
        """PQ, SQ and RQ of all classes, of things and of the others, and of each class."""
        every = range(len(self.names))
        total = np.sum(self.panoptic, axis=0) if self.panoptic else np.zeros((ROWS, len(self.names)))
        parts = {"all": list(every), "things": self.things, "stuff": [c for c in every if c not in self.things]}
        told = {name: named(quality(total, classes)) for name, classes in parts.items()}
        classes = {name: named(quality(total, [label])) for label, name in enumerate(self.names)}
        return {**told.pop("all"), **told, "interval": self.interval_of_pq(confidence), "classes": classes}

    def interval_of_pq(self, confidence: float) -> list[float] | None:
        """Where PQ of all classes would lie for other images of the same kind."""
        if not self.panoptic:
            return None
        units = group_sums(np.stack(self.panoptic), [sample.group for sample in self.samples])
        weights = (units[:, 2] + units[:, 3]).sum(1, keepdims=True)
        every = list(range(len(self.names)))
        found, variance = jackknife(units, lambda sums: columns(sums, every))
        (low,), (high,) = interval(found, variance, weights, confidence)
        return None if np.isnan(low) else [float(low), float(high)]

    def detections(self, split: str) -> list[Row]:
        """For each detection its score, its area's place, and, as bits, where it is right and where it counts."""
        rows = []
        for label in self.things:
            for number, sample in enumerate(self.samples):
                both = [self.pieces[kind][label][number] for kind in KINDS]
                for kind, part in zip(KINDS, both, strict=True):
                    flags = bits(part.right), bits(part.counted)
                    each = zip(part.scores.tolist(), *(flag.tolist() for flag in flags), strict=True)
                    rows += [(split, sample.id, sample.group, label, kind, *values) for values in each]
        return rows

    def segments(self, split: str) -> list[Row]:
        """For each image and class, the true objects by range of areas, and what PQ follows from."""
        rows = []
        for number, (sample, table) in enumerate(zip(self.samples, self.panoptic, strict=True)):
            for label in range(len(self.names)):
                truths = self.pieces["mask"][label][number].truths.tolist() if label in self.things else [0] * 4
                if any(truths) or table[:, label].any():
                    numbers = [float(table[0, label]), *table[1:, label].astype(int).tolist()]
                    numbers += self.touching[number][:, label].tolist()
                    rows.append((split, sample.id, sample.group, label, *truths, *numbers))
        return rows


def named(found: Quality) -> dict[str, float | None]:
    """As metrics.json has it."""
    return {name.upper(): value for name, value in found._asdict().items()}


def bits(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Flags [ranges, thresholds, D] as one number for each detection, the first range and threshold lowest."""
    flat = flags.reshape(math.prod(flags.shape[:-1]), flags.shape[-1]).astype(np.uint64)
    found: NDArray[np.uint64] = (flat << np.arange(len(flat), dtype=np.uint64)[:, None]).sum(axis=0, dtype=np.uint64)
    return found


def columns(sums: NDArray[Any], classes: Sequence[int]) -> Floats:
    """PQ of sums, or of a stack of them, as one column."""
    if sums.ndim == 2:
        return np.array([nan(quality(sums, classes).pq)])
    return np.array([[nan(quality(one, classes).pq)] for one in sums])


def intervals_of(parts: Mapping[str, list[Pieces]], groups: Sequence[str], confidence: float) -> dict[str, Any]:
    """Intervals of AP, AP50 and AP75 over groups of images (delete-one jackknife)."""
    names, of = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    if not parts:
        return dict.fromkeys(HEADLINES)
    whole, *without = headlines(np.stack([leaving_out(found, of, len(names)) for found in parts.values()], axis=1))
    variance = jackknifed(whole, np.array(without).reshape(-1, len(whole)))
    weights = np.zeros(len(names))
    for found in parts.values():
        np.add.at(weights, of, [int(part.truths[0]) for part in found])
    low, high = interval(whole, variance, np.repeat(weights[:, None], len(whole), axis=1), confidence)
    ends = zip(HEADLINES, low, high, strict=True)
    return {name: None if np.isnan(least) else [float(least), float(most)] for name, least, most in ends}


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of those that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def known(value: float) -> float | None:
    """None for NaN."""
    return None if np.isnan(value) else float(value)


def nan(value: float | None) -> float:
    """NaN for None."""
    return np.nan if value is None else value
