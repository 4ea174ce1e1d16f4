"""Decides whether a change between two revisions is more than chance, and more than retraining would cause. Pure.

Each row is one metric of one architecture on one split. Its score is the mean over the seeds of the score of each
seed's pooled matrix. Base and head are scored on the same images, in groups (flights, scenes), each side with all the
seeds that it was trained from. estimate.py says how sure a change is, verdicts.py what is said of it.

What is tested, each family at `alpha` and with Holm's correction among its own:

- primary: that `gate.metric` is worse on validation, one hypothesis for each architecture, one-sided;
- secondary: all other rows, two-sided, and that `gate.metric` is better on validation.

With one seed on both sides only the groups count: nothing is known of what retraining alone would change.

Student's t assumes that changes are roughly normal from group to group. So a row is tested only where so many groups
differ that a test without that assumption, the swap of their signs, could have been significant: 5 groups for one side
at 0.05, as 1 / 2^5 = 0.031, and 6 for two. An interval is shown where 6 groups have the class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.compare.estimate import Estimate, Score, Spread, estimate, moderated, seed_spread
from pipelines.compare.verdicts import RowFacts, RowGate, Verdict, verdict_of
from pipelines.params import Compare, Judgement
from pixelproof.core.errors import StateError
from pixelproof.scoring.counts import counts, unstacked
from pixelproof.scoring.formulas import Floats, mean
from pixelproof.scoring.matrices import Matrices
from pixelproof.scoring.resampling import effective, group_sums, groups_needed, holm
from pixelproof.scoring.scores import columns, side_by_side

GATE_SPLIT = "val"


class Named(Protocol):
    """What is compared: one architecture on one split, by seed."""

    @property
    def split(self) -> str:
        """Of its images."""

    @property
    def architecture(self) -> str:
        """Its name."""

    @property
    def base(self) -> Mapping[int, Any]:
        """Each seed's results before."""

    @property
    def head(self) -> Mapping[int, Any]:
        """And after."""


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
    low: float | None  # of the change's interval, which is this row's alone: it is not corrected
    high: float | None
    p: float | None  # of the gate's rows it is one-sided, in the direction of the change
    p_holm: float | None
    groups: int  # that have the class
    differing: int  # how many of those have other pixel counts than before
    seeds: tuple[int, int]  # of base and of head
    retraining: float | None  # how far other seeds alone move the change, in 1 - alpha of all cases; None: not measured
    verdict: Verdict
    words: str  # the verdict in words

    @property
    def retraining_words(self) -> str:
        """How much retraining alone changes the score."""
        return "not measured" if self.retraining is None else f"±{self.retraining:.4f}"


def judge(pairs: Sequence[Pair], classes: Sequence[str], params: Compare) -> list[Row]:
    """The rows of all pairs, corrected together: pass everything that is tested at once."""
    named = [
        Column(metric, label, how, params.gate.metric == metric)
        for metric, how in params.metrics.items()
        for _, label in columns([metric], classes)
    ]
    if not pairs:
        return []
    found = [measure(pair, classes, params) for pair in pairs]
    return judged(pairs, named, found, estimates(pairs, found), params)


def judged(
    pairs: Sequence[Named], named: Sequence[Column], found: Sequence[Known], sure: Sequence[Estimate], params: Compare
) -> list[Row]:
    """The rows of all pairs from what is known of each, and how sure that is."""
    tested = correct(pairs, named, found, sure, params.alpha)
    rows = []
    for number, pair in enumerate(pairs):
        for at, column in enumerate(named):
            facts = _facts(found[number], sure[number], tested, (number, at), params.alpha)
            gate = _gate(sure[number], facts, at, tested.primary, params) if tested.gate[number, at] else None
            rows.append(_row(pair, column, facts, verdict_of(facts, column.how, gate, params.alpha)))
    return rows


# --- the numbers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What is known of a pair by itself. Arrays have one entry per row unless they say something else."""

    scores: Floats  # [2, rows]: of base and head
    spread: Spread
    holding: NDArray[np.int64]  # how many groups have the class
    differing: NDArray[np.int64]  # how many of those have other counts than before
    effective: Floats  # how many the latter are worth
    same: NDArray[np.bool_]  # whether no group at all has other counts


@dataclass(frozen=True)
class Measured(Known):
    """The same of pixels, with their counts."""

    base: NDArray[np.int64]  # [groups, seeds, 3, classes]
    head: NDArray[np.int64]  # the same
    metrics: tuple[str, ...]


def measure(pair: Pair, classes: Sequence[str], params: Compare) -> Measured:
    """What is known of a pair by itself."""
    metrics = tuple(params.metrics)
    base, head = _units(pair)
    by_seed = [side_by_side(unstacked(side.sum(axis=0)), metrics) for side in (base, head)]
    own = [range(len(classes)) if label is None else [classes.index(label)] for _, label in columns(metrics, classes)]
    pixels, moved = base[:, 0, 1], _moved(base, head)  # by group and class
    weights = np.stack([np.where(moved[:, at].any(axis=1), pixels[:, at].sum(axis=1), 0) for at in own], axis=1)
    return Measured(
        base=base,
        head=head,
        metrics=metrics,
        scores=np.stack([mean(of, axis=0) for of in by_seed]),
        spread=seed_spread(*by_seed),
        holding=np.array([pixels[:, at].any(axis=1).sum() for at in own], np.int64),
        differing=(weights > 0).sum(axis=0),
        effective=effective(weights.astype(np.float64)),
        same=np.array([not moved[:, at].any() for at in own], np.bool_),
    )


def estimates(pairs: Sequence[Pair], found: Sequence[Measured]) -> list[Estimate]:
    """How sure the changes of each pair are. The spread of its seeds leans on the other architectures of its split."""
    spreads = spreads_of(pairs, found)
    return [
        estimate(one.base, one.head, _scorer(one.metrics), one.effective, spread)
        for one, spread in zip(found, spreads, strict=True)
    ]


def spreads_of(pairs: Sequence[Named], found: Sequence[Known]) -> list[Spread]:
    """The spread of the seeds of each pair, moderated by those of the other architectures of its split."""
    spreads: dict[int, Spread] = {}
    for split in dict.fromkeys(pair.split for pair in pairs):
        numbers = [number for number, pair in enumerate(pairs) if pair.split == split]
        spreads |= zip(numbers, moderated([found[number].spread for number in numbers]), strict=True)
    return [spreads[number] for number in range(len(pairs))]


def _scorer(metrics: Sequence[str]) -> Score:
    """The mean over the seeds of the metrics of their counts."""
    return lambda totals: mean(side_by_side(unstacked(totals), metrics), axis=-2)


def _moved(base: NDArray[np.int64], head: NDArray[np.int64]) -> NDArray[np.bool_]:
    """By group and class, whether the counts of all seeds differ."""
    if base.shape == head.shape:
        return np.asarray((base != head).any(axis=(1, 2)))
    return np.asarray((base.sum(axis=1) * head.shape[1] != head.sum(axis=1) * base.shape[1]).any(axis=1))


def _units(pair: Pair) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The counts of both sides summed by group, [groups, seeds, 3, classes]; the groups are the head's."""
    first = next(iter(pair.head.values()))
    truth = first.counts.sum(axis=2)
    for name, side in (("base", pair.base), ("head", pair.head)):
        for seed, found in side.items():
            if found.ids != first.ids or not np.array_equal(found.counts.sum(axis=2), truth):
                what = f"{pair.split} of {pair.architecture}"
                raise StateError(what, f"{name}'s seed {seed} has other images or labels", "compare what both have")
    base, head = (
        np.stack([group_sums(counts(side[seed].counts).stacked(), first.groups) for seed in sorted(side)], axis=1)
        for side in (pair.base, pair.head)
    )
    return base, head


# --- the tests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One of the tested metrics, of all classes or of one."""

    metric: str
    label: str | None
    how: Judgement
    primary: bool  # on validation it is the gate's


@dataclass(frozen=True)
class Tested:
    """What was tested, each [pairs, rows]. NaN: not tested."""

    p: Floats
    p_holm: Floats
    gate: NDArray[np.bool_]  # the rows of the gate
    least: NDArray[np.int64]  # how many groups must differ for a test
    tests: NDArray[np.int64]  # that p was corrected for
    primary: int  # tests of the gate


def correct(
    pairs: Sequence[Named], named: Sequence[Column], found: Sequence[Known], sure: Sequence[Estimate], alpha: float
) -> Tested:
    """Test the rows of all pairs, and correct each family of them by itself."""
    shape = len(pairs), len(named)
    below, above = (np.array(side).reshape(shape) for side in zip(*(one.tails() for one in sure), strict=True))
    validation, decisive = [pair.split == GATE_SPLIT for pair in pairs], [column.primary for column in named]
    gate = np.outer(validation, decisive).astype(np.bool_)
    higher = np.array([column.how.better == "higher" for column in named])
    least = np.where(gate, groups_needed(2 * alpha), groups_needed(alpha))
    enough = np.array([one.differing for one in found]).reshape(shape) >= least
    worse, better = np.where(higher, below, above), np.where(higher, above, below)
    primary = np.where(gate & enough, worse, np.nan)
    secondary = np.where(enough, np.where(gate, better, np.minimum(2 * np.minimum(below, above), 1)), np.nan)
    first = gate & (worse <= better)  # shown of a row of the gate is the test in the direction of its change
    sizes = [int((~np.isnan(p)).sum()) for p in (primary, secondary)]
    return Tested(
        p=np.where(first, primary, secondary),
        p_holm=np.where(first, *(holm(p.ravel()).reshape(shape) for p in (primary, secondary))),
        gate=gate,
        least=least,
        tests=np.where(first, *sizes),
        primary=sizes[0],
    )


def _facts(found: Known, sure: Estimate, tested: Tested, place: tuple[int, int], alpha: float) -> RowFacts:
    """What a row's verdict rests on; `place` is its pair and its column."""
    at = place[1]
    holding = 0 if found.same[at] else int(found.holding[at])  # without a change there is no interval
    return RowFacts(
        scores=(float(found.scores[0, at]), float(found.scores[1, at])),
        change=float(sure.change[at]),
        interval=sure.interval(at, 1 - alpha) if holding >= groups_needed(alpha) else (math.nan, math.nan),
        narrow=sure.interval(at, 1 - 2 * alpha) if holding >= groups_needed(2 * alpha) else (math.nan, math.nan),
        p=float(tested.p[place]),
        p_holm=float(tested.p_holm[place]),
        tests=int(tested.tests[place]),
        same=bool(found.same[at]),
        groups=int(found.holding[at]),
        differing=int(found.differing[at]),
        least=int(tested.least[place]),
        retraining=sure.retraining(at, 1 - alpha),
    )


def _gate(sure: Estimate, facts: RowFacts, at: int, tests: int, params: Compare) -> RowGate:
    """What a row of the gate is held to, and how many groups would settle it whatever the other architectures are."""
    higher, alarm = params.metrics[params.gate.metric].better == "higher", params.gate.alarm

    def to_tell() -> int | None:
        alphas = params.alpha / max(tests, 1), params.alpha
        times = sure.times_to_tell(at, -facts.change if higher else facts.change, alphas, alarm)
        return None if times is None else max(math.ceil(times * facts.differing), facts.differing + 1, facts.least)

    return RowGate(alarm, to_tell)


def _row(pair: Named, column: Column, facts: RowFacts, verdict: tuple[Verdict, str]) -> Row:
    return Row(
        split=pair.split,
        architecture=pair.architecture,
        metric=column.metric,
        label=column.label,
        base=_number(facts.scores[0]),
        head=_number(facts.scores[1]),
        change=_number(facts.change),
        low=_number(facts.interval[0]),
        high=_number(facts.interval[1]),
        p=_number(facts.p),
        p_holm=_number(facts.p_holm),
        groups=facts.groups,
        differing=facts.differing,
        seeds=(len(pair.base), len(pair.head)),
        retraining=_number(facts.retraining),
        verdict=verdict[0],
        words=verdict[1],
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
