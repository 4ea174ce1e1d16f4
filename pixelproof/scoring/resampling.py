"""How sure a score is: bootstrap intervals, paired permutation tests, Holm's correction. Pure, over arrays.

The units are groups of images (flights, scenes, sequences): images of one group resemble each other, so a group is
drawn, or swapped, as a whole. An array of units is [groups, ...]: whole numbers that add up, as the pixels that are
right, true and predicted (scores.py). A resample is a count for each group, so that all resamples together are one
product of matrices; it is exact, because sums of whole numbers below 2^53 are exact in floats of 64 bits whatever
their order. A statistic takes such sums, [..., same shape], and gives [..., columns]; it is NaN where it has no value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[NDArray[Any]], Floats]

CELLS = 2**20  # of the matrices of one step: 8 MiB each, which bounds the memory whatever the number of resamples
TIE = 1e-12  # two differences of scores no further apart are the same one, rounded in another order


def group_sums(values: NDArray[Any], groups: Sequence[str]) -> NDArray[Any]:
    """The sum over the images of each group, in the order of the groups' names: [images, ...] to [groups, ...]."""
    names, group = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    sums = np.zeros((len(names), *values.shape[1:]), values.dtype)
    np.add.at(sums, group, values)
    return sums


# --- intervals -------------------------------------------------------------------------------------------------------


def bootstrap(units: NDArray[Any], statistic: Statistic, resamples: int, rng: np.random.Generator) -> Floats:
    """The statistic in each resample of the groups, drawn with replacement (Efron 1979): [resamples, columns]."""
    flat = _flat(units)
    steps = [
        statistic((weights @ flat).reshape(len(weights), *units.shape[1:]))
        for weights in resample_weights(len(units), resamples, rng, flat.shape[1])
    ]
    return np.concatenate(steps)


def resample_weights(groups: int, resamples: int, rng: np.random.Generator, width: int = 1) -> Iterator[Floats]:
    """How often each group stands in each resample, [some resamples, groups] at a time."""
    rows = max(1, CELLS // max(groups, width))
    for start in range(0, resamples, rows):
        number = min(rows, resamples - start)
        drawn = rng.integers(max(groups, 1), size=(number, groups))
        drawn += groups * np.arange(number)[:, None]
        yield np.bincount(drawn.ravel(), minlength=number * groups).reshape(number, groups).astype(np.float64)


def interval(samples: Floats, confidence: float) -> tuple[Floats, Floats]:
    """The percentile interval of each column: what `confidence` of the resamples lie within.

    A class can be in no group of a resample; its scores are NaN there. The interval is over the resamples that have a
    value, that is: given that the class is there at all. A column without any value has the interval NaN to NaN.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    ends = np.full((2, samples.shape[1]), np.nan)
    for column, values in enumerate(samples.T):
        there = values[~np.isnan(values)]
        if len(there):
            ends[:, column] = np.quantile(there, tails)
    return ends[0], ends[1]


# --- tests -----------------------------------------------------------------------------------------------------------


def permutation_test(
    base: NDArray[Any], head: NDArray[Any], statistic: Statistic, permutations: int, rng: np.random.Generator
) -> Floats:
    """Two-sided p-values, one for each column, of "head's statistic is base's": paired by group, [groups, ...] each.

    If nothing but chance tells the revisions apart, the two results of a group could as well have been each other's
    (Fisher's exchangeability). So the results of groups are swapped at random, and p is the share of such swaps whose
    difference is at least as large as the one that was found. Where the groups that differ allow no more than
    `permutations` different ones, all of them are tried and p is exact; otherwise the arrangement that was found counts
    as one of those tried, (b + 1) / (m + 1), so that p is never 0 (Phipson and Smyth 2010).

    NaN where the difference is not defined; a swap without a value counts as at least as large.
    """
    sums = base.sum(axis=0), head.sum(axis=0)
    found = np.abs(statistic(sums[1]) - statistic(sums[0]))
    moved = differing(base, head, axis=tuple(range(1, base.ndim)))
    step = _flat((head - base)[moved])
    exact = _all_swaps(len(step)) <= permutations
    extreme, tried = np.zeros(found.shape, np.int64), 0
    for swaps in every_swap(step) if exact else random_swaps(step, permutations, rng):
        change = (swaps @ step).reshape(len(swaps), *base.shape[1:])
        difference = np.abs(statistic(sums[1] - change) - statistic(sums[0] + change))
        extreme += (~(difference < found - TIE)).sum(axis=0)
        tried += len(swaps)
    p = extreme / tried if exact else (extreme + 1) / (tried + 1)
    return np.where(np.isnan(found), np.nan, p)


def differing(base: NDArray[Any], head: NDArray[Any], axis: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the two are not the same. To swap what is the same changes nothing: only groups that differ can tell."""
    return np.asarray((base != head).any(axis=axis))


def random_swaps(step: Floats, permutations: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Which groups are swapped in each permutation: [some permutations, groups] at a time, 1 or 0."""
    rows = max(1, CELLS // max(step.shape))
    for start in range(0, permutations, rows):
        number = min(rows, permutations - start)
        yield rng.integers(2, size=(number, len(step))).astype(np.float64)


def every_swap(step: Floats) -> Iterator[Floats]:
    """All of them but those that swap the last group: these mirror the others, and their difference is as large."""
    rows = max(1, CELLS // max(step.shape))
    for start in range(0, _all_swaps(len(step)), rows):
        codes = np.arange(start, min(start + rows, _all_swaps(len(step))))
        yield ((codes[:, None] >> np.arange(len(step))) & 1).astype(np.float64)


def _all_swaps(groups: int) -> int:
    return int(2 ** max(groups - 1, 0))


def smallest_p(groups: int, permutations: int) -> float:
    """The smallest p that a test can give in which so many groups differ: theirs is the largest possible difference."""
    return max(1 / _all_swaps(groups), 1 / (permutations + 1))


def groups_needed(p: float) -> int:
    """How many groups must differ for a test to be able to give this p."""
    return max(1, 1 + math.ceil(math.log2(1 / p)))


def holm(p: Floats) -> Floats:
    """Holm's step-down correction (1979) of all that was tested: a number below alpha stands for a claim, and the
    probability of any false claim among them all is at most alpha. NaN is what was not tested, and stays NaN."""
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _flat(units: NDArray[Any]) -> Floats:
    return units.reshape(len(units), math.prod(units.shape[1:])).astype(np.float64)
