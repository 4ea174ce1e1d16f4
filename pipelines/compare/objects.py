"""Decides whether AP and PQ changed between two revisions by more than chance: significance.py, of objects. Pure.

The scores are those of masks: AP and AP50 over all classes, AP50 of each class, PQ of all and of each, and the share
that is found of the objects that touch another one. AP is no quotient of sums, so that leaving out a group of images
means to score the others again, for each seed. All else is as for pixels: the jackknife over groups, the spread of the
seeds, Student's t, two-sided tests with Holm's correction among themselves, and the same verdicts. They decide no gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.compare.estimate import Estimate, Spread, seed_spread
from pipelines.compare.pieces import ObjectPieces
from pipelines.compare.significance import Column, Known, Row, judged, spreads_of
from pipelines.params import Compare, Judgement
from pixelproof.scoring.formulas import Floats, mean, ratio
from pixelproof.scoring.panoptic import quality_by_class
from pixelproof.scoring.precision import Pieces, headlines, leaving_out
from pixelproof.scoring.resampling import effective, group_sums, jackknifed

AP, AP50, PQ, TOUCHING = "AP", "AP50", "PQ", "touching"


@dataclass(frozen=True)
class ObjectPair:
    """One architecture on one split: what each revision found, by seed, in the same images with the same objects."""

    split: str
    architecture: str
    groups: Sequence[str]  # of the images
    base: Mapping[int, ObjectPieces]
    head: Mapping[int, ObjectPieces]

    @property
    def truth(self) -> ObjectPieces:
        """Any of them: what is true is the same in all."""
        return next(iter(self.head.values()))


@dataclass(frozen=True)
class Shown:
    """The rows of a pair: those of all classes, AP50 of each class that has objects, PQ of each that occurs."""

    things: Sequence[int]
    every: Sequence[int]

    def columns(self, classes: Sequence[str], how: Judgement) -> list[Column]:
        """Their names."""
        of_things, of_all = ([classes[label] for label in labels] for labels in (self.things, self.every))
        whole: list[tuple[str, str | None]] = [(AP, None), (AP50, None), (PQ, None), (TOUCHING, None)]
        named = [*whole, *((AP50, name) for name in of_things), *((PQ, name) for name in of_all)]
        return [Column(metric, label, how, primary=False) for metric, label in named]

    def rows(self, of: Counted) -> Floats:
        """What each row rests on."""
        whole = [of.objects.sum(axis=-1), of.objects.sum(axis=-1), of.segments.sum(axis=-1), of.touching]
        things = [of.objects[..., label] for label in self.things]
        return np.stack([*whole, *things, *(of.segments[..., label] for label in self.every)], axis=-1)


class Counted(NamedTuple):
    """How many there are of something in each image, or in each group."""

    objects: NDArray[Any]  # [..., classes]
    segments: NDArray[Any]  # [..., classes]
    touching: NDArray[Any]  # [...]

    def by_group(self, groups: Sequence[str]) -> Counted:
        """Those of images, added up."""
        return Counted(*(group_sums(each.astype(np.float64), groups) for each in self))


def judge_objects(pairs: Sequence[ObjectPair], classes: Sequence[str], params: Compare) -> list[Row]:
    """The rows of all pairs, corrected together: pass everything that is tested at once."""
    if not pairs:
        return []
    objects, segments = (
        np.any([numbers.any(axis=0) for numbers in found], axis=0)
        for found in ([pair.truth.objects for pair in pairs], [pair.truth.segments for pair in pairs])
    )
    shown = Shown(np.flatnonzero(objects).tolist(), np.flatnonzero(segments).tolist())
    found = [[by_seed(side, pair.groups, shown) for side in (pair.base, pair.head)] for pair in pairs]
    known = [measure(pair, shown, base[:, 0], head[:, 0]) for pair, (base, head) in zip(pairs, found, strict=True)]
    spreads = spreads_of(pairs, known)
    each = zip(found, known, spreads, strict=True)
    sure = [estimated(base, head, one.effective, spread) for (base, head), one, spread in each]
    how = Judgement(better="higher", tolerance=params.objects)
    return judged(pairs, shown.columns(classes, how), known, sure, params)


def measure(pair: ObjectPair, shown: Shown, base: Floats, head: Floats) -> Known:
    """What is known of a pair by itself; `base` and `head` are the scores of each seed, [seeds, rows]."""
    truth = pair.truth
    there = Counted(truth.objects, truth.segments, truth.touching[:, 0])
    weights, changes = (shown.rows(each.by_group(pair.groups)) for each in (there, differing(pair)))
    of_moved = np.where(changes > 0, weights, 0.0)
    return Known(
        scores=np.stack([mean(side, axis=0) for side in (base, head)]),
        spread=seed_spread(base, head),
        holding=(weights > 0).sum(axis=0),
        differing=(of_moved > 0).sum(axis=0),
        effective=effective(of_moved),
        same=np.asarray(~(changes > 0).any(axis=0)),
    )


def estimated(base: Floats, head: Floats, groups: Floats, spread: Spread) -> Estimate:
    """How sure the change of each row is; `base` and `head` are as `by_seed` has them."""
    change, *without = mean(head, axis=0) - mean(base, axis=0)
    return Estimate(
        change=change,
        of_groups=jackknifed(change, np.stack(without)),
        groups=groups,
        of_seeds=spread.variance * (1 / len(base) + 1 / len(head)),
        seeds_freedom=spread.freedom,
    )


def by_seed(side: Mapping[int, ObjectPieces], groups: Sequence[str], shown: Shown) -> Floats:
    """The rows of each seed: of all images, and without each group of them in turn, [seeds, 1 + groups, rows]."""
    return np.stack([scores(side[seed], groups, shown) for seed in sorted(side)])


def scores(found: ObjectPieces, groups: Sequence[str], shown: Shown) -> Floats:
    """The same of one seed, [1 + groups, rows]."""
    names, of = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    precision = np.stack([leaving_out(images, of, len(names)) for images in found.detections], axis=1)
    quality = quality_by_class(_without_each(group_sums(found.counts, groups)))
    close, hits = _without_each(group_sums(found.touching, groups)).T
    ap, ap50, _ = np.moveaxis(headlines(precision), -1, 0)
    of_things = [precision[:, label, 0] for label in shown.things]
    whole = [ap, ap50, mean(quality), ratio(hits, close)]
    return np.stack([*whole, *of_things, *(quality[:, label] for label in shown.every)], axis=1)


def _without_each(units: NDArray[Any]) -> NDArray[Any]:
    whole = units.sum(axis=0)
    return np.concatenate([whole[None], whole - units])


def differing(pair: ObjectPair) -> Counted:
    """Where what each score follows from differs."""
    shape = pair.truth.segments.shape
    unlike = len(pair.base) != len(pair.head)
    of_ap, of_pq, close = np.full(shape, unlike), np.full(shape, unlike), np.full(shape[0], unlike)
    for before, after in zip(sorted(pair.base), sorted(pair.head), strict=False):
        old, new = pair.base[before], pair.head[after]
        for label, both in enumerate(zip(old.detections, new.detections, strict=True)):
            of_ap[:, label] |= [not same(*each) for each in zip(*both, strict=True)]
        of_pq |= (old.counts != new.counts).any(axis=1)
        close |= (old.touching != new.touching).any(axis=1)
    return Counted(of_ap, of_pq, close)


def same(old: Pieces, new: Pieces) -> bool:
    """Whether two are equal."""
    fields = (old.scores, new.scores), (old.right, new.right), (old.counted, new.counted)
    return all(np.array_equal(before, after) for before, after in fields)
