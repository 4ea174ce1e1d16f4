"""How sure a change of a score is: its variance, degrees of freedom, intervals and p-values. Pure.

Two things make a change uncertain: which groups of images (flights, scenes) happen to be in the split, and which seeds
the networks happen to be trained from.

- Groups: the delete-one jackknife (pixelproof/scoring/resampling.py), whose degrees of freedom are one less than the
  groups, of which only those count that have the class and differ. Where a few hold most of its pixels they are worth
  fewer: their effective number, which kept the promised coverage wherever it was simulated
  (benchmarks/results/significance.md).
- Seeds: the variance of the score from seed to seed, within base and within head. Assumed: the seeds of both are
  independent draws of equal spread. A spread of two or three seeds is itself a guess, so one that looks small is raised
  towards the mean of the same row over all architectures, as if that mean were worth `PRIOR` more degrees of freedom (a
  moderated t, Smyth 2004, with a fixed prior); one that looks large is left. Assumed: no architecture's seeds differ
  more than about three times as much as the others'.

The variances are added. What a seed does to a single group is in both, which errs on the safe side. A change over its
standard error is compared with Student's t, with the smaller of the two degrees of freedom: Welch's are between this
and their sum, but are themselves a guess from the spread of two seeds (Mickey and Brown 1966 on the bound).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelproof.scoring.formulas import Floats
from pixelproof.scoring.resampling import freedom_of, jackknife, student

PRIOR = 2.0  # degrees of freedom that the spread of the other architectures counts for, at most
MOST_TIMES = 100  # as many groups: more are not recommended to anybody

Score = Callable[[NDArray[Any]], Floats]  # from the sums of one side, [..., seeds, 3, classes], to [..., rows]


@dataclass(frozen=True)
class Spread:
    """The variance of scores from seed to seed, one per row, and its degrees of freedom; 0 if it was not measured."""

    variance: Floats
    freedom: float


@dataclass(frozen=True)
class Estimate:
    """The changes of several rows. Each array has one entry per row."""

    change: Floats
    of_groups: Floats  # the change's variance that is due to the groups; NaN where leaving one out leaves no score
    groups: Floats  # that can tell something: their effective number
    of_seeds: Floats  # the change's variance that is due to the seeds; 0 if it was not measured
    seeds_freedom: float

    @cached_property
    def error(self) -> Floats:
        """The standard error."""
        return np.sqrt(self.of_groups + self.of_seeds)

    @cached_property
    def freedom(self) -> Floats:
        """Degrees of freedom."""
        return _freedom(self.groups, self.seeds_freedom)

    def tails(self) -> tuple[Floats, Floats]:
        """One-sided p-values: that the change is below 0, and that it is above 0."""
        from scipy.special import stdtr

        with np.errstate(divide="ignore", invalid="ignore"):
            t = self.change / self.error  # NaN where there is nothing to test: no change, or no error
        return stdtr(self.freedom, t), stdtr(self.freedom, -t)

    def interval(self, row: int, confidence: float) -> tuple[float, float]:
        """The interval of a row's change."""
        half = float(student(self.freedom[row], (1 + confidence) / 2) * self.error[row])
        change = float(self.change[row])
        return max(change - half, -1.0), min(change + half, 1.0)

    def retraining(self, row: int, confidence: float) -> float:
        """How far other seeds alone move the change; NaN if that was not measured."""
        return apart(float(self.of_seeds[row]), self.seeds_freedom, confidence)

    def times_to_tell(self, row: int, drop: float, alphas: tuple[float, float], margin: float) -> float | None:
        """How many times as many groups like these would settle a drop as large as this one.

        That is: show that there is one (one-sided, at the first alpha), or that it is smaller than `margin` (at the
        second). None if more groups would not, because the seeds alone are too far apart.
        """
        times = np.arange(1, MOST_TIMES, 0.02)
        of_groups = self.of_groups[row] / times
        freedom = _freedom(self.groups[row] * times, self.seeds_freedom)
        error = np.sqrt(of_groups + self.of_seeds[row])
        there, small = (student(freedom, 1 - alpha) * error for alpha in alphas)
        told = (there < drop) | (small < margin - drop)
        return float(times[told][0]) if told.any() else None


def estimate(base: NDArray[Any], head: NDArray[Any], score: Score, groups: Floats, spread: Spread) -> Estimate:
    """The change of each row, from each side's counts [groups, seeds, 3, classes].

    `groups` is for each row the effective number of those that can tell something; `spread` is that of the seeds.
    """
    seeds = base.shape[1]
    change, of_groups = jackknife(
        np.concatenate([base, head], axis=1),
        lambda sums: score(sums[..., seeds:, :, :]) - score(sums[..., :seeds, :, :]),
    )
    return Estimate(
        change=change,
        of_groups=of_groups,
        groups=groups,
        of_seeds=spread.variance * (1 / seeds + 1 / head.shape[1]),
        seeds_freedom=spread.freedom,
    )


def seed_spread(base: Floats, head: Floats) -> Spread:
    """The variance within base and within head; scores are [seeds, rows]."""
    freedom = len(base) + len(head) - 2
    squares = sum(((side - side.mean(axis=0)) ** 2).sum(axis=0) for side in (base, head))
    return Spread(np.asarray(squares / max(freedom, 1)), freedom)


def apart(variance: float, freedom: float, confidence: float) -> float:
    """How far from 0 a number with this variance is at most; NaN if its variance was not measured."""
    return float(student(freedom, (1 + confidence) / 2)) * math.sqrt(variance) if freedom else math.nan


def moderated(each: Sequence[Spread]) -> list[Spread]:
    """The spreads of several architectures; those that are smaller than the mean of all are raised towards it."""
    everything = sum(one.freedom for one in each)
    if not everything:
        return list(each)
    pooled = sum(one.variance * one.freedom for one in each) / everything
    found = []
    for one in each:
        prior = min(PRIOR, everything - one.freedom)
        together = one.freedom + prior
        shrunk = (one.variance * one.freedom + pooled * prior) / together
        found.append(Spread(np.maximum(one.variance, shrunk), together))
    return found


def _freedom(groups: Floats, seeds_freedom: float) -> Floats:
    of_groups = freedom_of(groups)
    return np.minimum(of_groups, seeds_freedom) if seeds_freedom else of_groups
