"""Decides whether a change between two revisions is more than chance, and more than retraining would cause. Pure.

Each row is one metric of one architecture on one split. Its score is the mean over the seeds of the score of each
seed's pooled matrix; base and head are scored on the same images, in groups (flights, scenes) that are drawn or swapped
as a whole, in all seeds alike. The verdict of a row is the first of these that holds:

- `not comparable`: the ground truth has no pixel of the class, or the score is undefined in a revision.
- `identical`: in every group the row's score rests on the same pixel counts as before. Nothing is tested.
- `equivalent within ±t`: the interval of the change at confidence 1 - 2 alpha lies within the metric's tolerance, which
  is a test of either side at alpha (two one-sided tests, Schuirmann 1987). It comes before the next one: a change shown
  to be too small to matter is no news, however significant it is.
- `within retraining noise`, `improved` or `regressed`: p after Holm's correction of all rows is at most alpha. The
  first of the three if the change is no larger than `retraining`.
- `too few groups to tell`: so few groups differ that even their smallest possible p would not have been enough.
- `within retraining noise`: the change is not significant, and no larger than `retraining`.
- `no difference shown`: none of these, which does not mean that there is none.

`retraining`, the seed floor, is how far apart two means over as many seeds lie in 1 - alpha of all cases when nothing
but the seed differs: Student's t times the pooled standard deviation of the seeds within each revision times
sqrt(2 / seeds). It is large for two seeds, rightly so, and it is not measured if both revisions have only one.

The paired interval is the percentile interval of the change at confidence 1 - alpha, over the same resamples of the
groups for both. It is per row; only p_holm accounts for the number of rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.params import Compare, Judgement
from pixelproof.core.errors import StateError
from pixelproof.scoring.counts import counts, unstacked
from pixelproof.scoring.formulas import Floats, mean
from pixelproof.scoring.matrices import Matrices
from pixelproof.scoring.resampling import (
    bootstrap,
    differing,
    group_sums,
    groups_needed,
    holm,
    interval,
    permutation_test,
    smallest_p,
)
from pixelproof.scoring.scores import columns, side_by_side

Verdict = Literal[
    "not comparable",
    "identical",
    "equivalent",
    "improved",
    "regressed",
    "too few groups",
    "within retraining noise",
    "no difference shown",
]


@dataclass(frozen=True)
class Pair:
    """One architecture on one split: each revision's matrices by seed, of the same images with the same labels."""

    split: str
    architecture: str
    base: Mapping[int, Matrices]
    head: Mapping[int, Matrices]


@dataclass(frozen=True)
class Row:
    """One metric of a pair, judged. None is a number that does not exist."""

    split: str
    architecture: str
    metric: str
    label: str | None  # the class, where the metric has one for each
    base: float | None
    head: float | None
    change: float | None
    low: float | None  # of the change's paired interval
    high: float | None
    p: float | None
    p_holm: float | None
    groups: int
    differing: int  # how many groups have other pixel counts than before
    seeds: int  # that were compared
    retraining: float | None  # None: not measured
    verdict: Verdict
    words: str  # the verdict in words

    @property
    def retraining_words(self) -> str:
        """How much retraining alone changes the score."""
        return "not measured" if self.retraining is None else f"±{self.retraining:.4f}"


@dataclass(frozen=True)
class Measured:
    """What the rows of a pair are made of: each array has one entry per row."""

    scores: Floats  # [2, rows]: base and head
    interval: tuple[Floats, Floats]
    narrow: tuple[Floats, Floats]  # at confidence 1 - 2 alpha, for equivalence
    p: Floats  # NaN if there is nothing to test
    truth: NDArray[np.bool_]  # whether the ground truth has pixels to score
    groups: int
    differing: NDArray[np.int64]
    seeds: int
    retraining: Floats

    @property
    def change(self) -> Floats:
        """Head minus base."""
        return np.asarray(self.scores[1] - self.scores[0])


def judge(pairs: Sequence[Pair], classes: Sequence[str], params: Compare, seed: int) -> list[Row]:
    """The rows of all pairs, corrected together: pass everything that is tested at once."""
    named = [(name, label, how) for name, how in params.metrics.items() for _, label in columns([name], classes)]
    each = [_Column(at, *column) for at, column in enumerate(named)]
    # Holm multiplies the smallest p by the number of tests: with fewer permutations nothing could be shown.
    permutations = max(params.permutations, math.ceil(2 * len(pairs) * len(each) / params.alpha))
    found = [measure(pair, classes, params, permutations, seed) for pair in pairs]
    p = np.concatenate([one.p for one in found]) if found else np.empty(0)
    rows = []
    for number, (pair, one) in enumerate(zip(pairs, found, strict=True)):
        for column in each:
            corrected = _Corrected(p, number * len(each) + column.at, permutations)
            rows.append(_row(pair, column, one, corrected, params.alpha))
    return rows


# --- the numbers -----------------------------------------------------------------------------------------------------


def measure(pair: Pair, classes: Sequence[str], params: Compare, permutations: int, seed: int) -> Measured:
    """The numbers of a pair. Its random draws are its own, so that adding an architecture changes none."""
    metrics, names = list(params.metrics), columns(list(params.metrics), classes)
    every = _units(pair)
    base, head = (np.stack(side, axis=1) for side in zip(*_paired_seeds(*every), strict=True))  # [groups, seeds, 3, C]

    def statistic(totals: NDArray[Any]) -> Floats:
        return mean(side_by_side(unstacked(totals), metrics), axis=-2)

    rng = np.random.default_rng([seed, *hashlib.sha256(f"{pair.split} {pair.architecture}".encode()).digest()])
    p = permutation_test(base, head, statistic, permutations, rng)
    samples = bootstrap(np.stack([base, head], axis=1), statistic, params.resamples, rng)
    changes = samples[:, 1] - samples[:, 0]

    moved, true = differing(base, head, axis=(1, 2)), base[:, 0, 1].sum(axis=0) > 0  # by group and class; by class
    own = [range(len(classes)) if label is None else [classes.index(label)] for _, label in names]
    differ = np.array([moved[:, at].any(axis=1).sum() for at in own], np.int64)
    truth = np.array([true[at].any() for at in own], np.bool_)
    totals = [np.stack([units.sum(axis=0) for units in side.values()]) for side in every]
    values = [side_by_side(unstacked(of), metrics) for of in totals]
    return Measured(
        scores=np.stack([statistic(base.sum(axis=0)), statistic(head.sum(axis=0))]),
        interval=interval(changes, 1 - params.alpha),
        narrow=interval(changes, 1 - 2 * params.alpha),
        p=np.where(truth & (differ > 0), p, np.nan),
        truth=truth,
        groups=len(base),
        differing=differ,
        seeds=base.shape[1],
        retraining=retraining_floor(values[0], values[1], base.shape[1], params.alpha),
    )


def retraining_floor(base: Floats, head: Floats, seeds: int, alpha: float) -> Floats:
    """How far apart two means over so many seeds are when nothing but the seed differs; scores are [seeds, rows]."""
    from scipy.special import stdtrit

    freedom = len(base) + len(head) - 2
    if not freedom:
        return np.full(base.shape[1], np.nan)
    squares = sum(((side - side.mean(axis=0)) ** 2).sum(axis=0) for side in (base, head))
    return np.asarray(stdtrit(freedom, 1 - alpha / 2) * np.sqrt(squares / freedom) * math.sqrt(2 / seeds))


Units = dict[int, NDArray[np.int64]]  # by seed [groups, 3, classes]


def _units(pair: Pair) -> tuple[Units, Units]:
    """The counts of both sides summed by group; the groups are the head's."""
    first = next(iter(pair.head.values()))
    truth = first.counts.sum(axis=2)
    for name, side in (("base", pair.base), ("head", pair.head)):
        for seed, found in side.items():
            if found.ids != first.ids or not np.array_equal(found.counts.sum(axis=2), truth):
                what = f"{pair.split} of {pair.architecture}"
                raise StateError(what, f"{name}'s seed {seed} has other images or labels", "compare what both have")
    base, head = (
        {seed: group_sums(counts(found.counts).stacked(), first.groups) for seed, found in sorted(side.items())}
        for side in (pair.base, pair.head)
    )
    return base, head


def _paired_seeds(base: Units, head: Units) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The seeds that both have; if there are none, the first with the first, and so on as far as they go."""
    shared = sorted(base.keys() & head.keys())
    return [(base[s], head[s]) for s in shared] or list(zip(base.values(), head.values(), strict=False))


# --- the words -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """One of the tested metrics, of all classes or of one, and its place in what was measured."""

    at: int
    metric: str
    label: str | None
    tested: Judgement


@dataclass(frozen=True)
class _Corrected:
    """One p among all that were tested."""

    all: Floats
    place: int
    permutations: int

    def holm(self) -> float:
        return float(holm(self.all)[self.place])

    def best(self, groups: int) -> float:
        """What it would be if this many groups differed as clearly as possible, and the other rows stayed the same."""
        p = self.all.copy()
        p[self.place] = smallest_p(groups, self.permutations)
        return float(holm(p)[self.place])

    def needed(self, alpha: float) -> int:
        """How many groups would have to differ for it to be significant, whatever the other rows are."""
        return groups_needed(alpha / int((~np.isnan(self.all)).sum()))


def _row(pair: Pair, column: _Column, found: Measured, p: _Corrected, alpha: float) -> Row:
    at = column.at
    verdict, words = _verdict(found, at, column.tested, p, alpha)
    return Row(
        split=pair.split,
        architecture=pair.architecture,
        metric=column.metric,
        label=column.label,
        base=_number(found.scores[0][at]),
        head=_number(found.scores[1][at]),
        change=_number(found.change[at]),
        low=_number(found.interval[0][at]),
        high=_number(found.interval[1][at]),
        p=_number(found.p[at]),
        p_holm=_number(p.holm()),
        groups=found.groups,
        differing=int(found.differing[at]),
        seeds=found.seeds,
        retraining=_number(found.retraining[at]),
        verdict=verdict,
        words=words,
    )


def _verdict(found: Measured, at: int, tested: Judgement, p: _Corrected, alpha: float) -> tuple[Verdict, str]:
    """The first that holds, in the order of this module's docstring."""
    change, floor = float(found.change[at]), float(found.retraining[at])
    differ, within_noise = int(found.differing[at]), abs(change) <= floor  # NaN is not
    if not found.truth[at]:
        return "not comparable", "not comparable: no pixel of it in the ground truth"
    if math.isnan(change):
        return "not comparable", "not comparable: undefined in a revision"
    if not differ:
        return "identical", "identical"
    enough = found.groups >= groups_needed(alpha)  # with fewer, there are too few distinct resamples for an interval
    if enough and -tested.tolerance <= found.narrow[0][at] and found.narrow[1][at] <= tested.tolerance:
        return "equivalent", f"equivalent within ±{tested.tolerance:g}"
    noise: tuple[Verdict, str] = "within retraining noise", f"within retraining noise (±{floor:.4f})"
    if p.holm() <= alpha:
        if within_noise:
            return noise
        return ("improved", "improved") if (change > 0) == (tested.better == "higher") else ("regressed", "regressed")
    if p.best(differ) > alpha:
        return "too few groups", f"too few groups to tell ({differ} differ, {p.needed(alpha)} would be needed)"
    if within_noise:
        return noise
    return "no difference shown", "no difference shown"


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)
