"""Uncertainty of scores: jackknife, bootstrap, paired permutation tests, Holm's correction. Pure functions of arrays.

The units are groups of images (flights, scenes, sequences): images of one group resemble each other, so a group is
drawn, or swapped, as a whole. An array of units is [groups, ...] and holds whole numbers that add up, such as the
correct, true and predicted pixels (counts.py). A resample is a count per group, so that all resamples together are one
matrix product. It is exact, because sums of whole numbers below 2^53 are exact in 64-bit floats in any order. A
statistic takes such sums, [..., same shape], and returns [..., columns]; it is NaN where it is undefined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[NDArray[Any]], Floats]

CELLS = 2**20  # per matrix in one step: 8 MiB, so that memory does not grow with the number of resamples
FEWEST = 6  # groups: with fewer, no interval holds what it promises
TIE = 1e-12  # scores that differ by less count as equal: they were only rounded differently


def group_sums(values: NDArray[Any], groups: Sequence[str]) -> NDArray[Any]:
    """Sum the images of each group.

    Args:
        values: [images, ...].
        groups: The group of each image.

    Returns:
        [groups, ...], in the order of the groups' names.

    Example:
        >>> group_sums(np.array([[1, 2], [10, 20], [100, 200]]), ["night", "day", "night"])
        array([[ 10,  20],
               [101, 202]])
    """
    names, group = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    sums = np.zeros((len(names), *values.shape[1:]), values.dtype)
    np.add.at(sums, group, values)
    return sums


# --- intervals -------------------------------------------------------------------------------------------------------


def jackknife(units: NDArray[Any], statistic: Statistic) -> tuple[Floats, Floats]:
    """The statistic of all groups, and its variance for other groups of the same kind (delete-one jackknife).

    The statistic is computed again without each group in turn; (n - 1) / n times the sum of squares of what that alters
    is the variance (Tukey 1958). It holds for any smooth score of sums, and errs upward (Efron and Stein 1981).

    Args:
        units: [groups, ...].
        statistic: From sums over groups to columns of scores.

    Returns:
        Both [columns]. The variance is NaN where leaving a group out leaves no score.

    Example:
        >>> units = np.array([[8, 10], [9, 10], [4, 10]])  # correct pixels and all pixels of three groups
        >>> accuracy = lambda sums: sums[..., :1] / sums[..., 1:]
        >>> found, variance = jackknife(units, accuracy)  # without one: 13/20, 12/20 and 17/20
        >>> print(found, (variance * 400).round(12))  # 2/3 * (1 + 4 + 9)
        [0.7] [9.33333333]
    """
    whole = units.sum(axis=0)
    found, without = statistic(whole), statistic(whole - units)
    return found, jackknifed(found, without)


def jackknifed(found: Floats, without: Floats) -> Floats:
    """The variance of a score, [columns], from what it is without each group in turn, [groups, columns]."""
    number = max(len(without), 1)
    return np.asarray(((without - found) ** 2).sum(axis=0) * (number - 1) / number)


def effective(weights: Floats) -> Floats:
    """The effective number of groups: what they are worth where a few weigh most.

    Kish's number (1965), (sum w)^2 / (sum w^2), is too small for a variance that errs upward, and the number of groups
    with a weight too large; it is the mean of the two.

    Args:
        weights: [groups, columns], such as the pixels of a class; 0 is a group that cannot tell anything.

    Returns:
        [columns].

    Example:
        >>> effective(np.array([[10.0, 1.0], [1.0, 1.0], [1.0, 0.0]])).round(3)
        array([2.206, 2.   ])
    """
    squares = (weights**2).sum(axis=0)
    kish = np.divide(weights.sum(axis=0) ** 2, squares, out=np.zeros(squares.shape), where=squares > 0)
    return np.asarray(((weights > 0).sum(axis=0) + kish) / 2)


def freedom_of(groups: Floats) -> Floats:
    """Degrees of freedom of a variance from this many effective groups: one less, but at least one."""
    return np.maximum(groups - 1, 1.0)


def student(freedom: Floats | float, share: float) -> Floats:
    """The quantile of Student's t below which a share of it lies.

    It is rounded, so that the last digits of another version or processor change no byte of what is computed with it.

    Example:
        >>> student(9.0, 0.975)
        array(2.26215716)
    """
    from scipy.special import stdtrit

    return np.asarray(np.round(stdtrit(freedom, share), 9))


def interval(found: Floats, variance: Floats, weights: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Where scores between 0 and 1 would lie for other groups of the same kind: score ± Student's t * standard error.

    If all n groups have 0, or all have 1, the standard error is 0 and knows nothing. Then the other end is that of
    Clopper and Pearson (1934): with a mean beyond it, n groups would agree in less than (1 - confidence) / 2 of cases,
    whatever between 0 and 1 a group may have.

    Args:
        found: The scores, [columns].
        variance: Their variance, as `jackknife` gives it, [columns].
        weights: What each group weighs in each score, [groups, columns].
        confidence: Such as 0.95.

    Returns:
        The lower and the upper end of each column, within 0 and 1; NaN where fewer than `FEWEST` groups have a weight.

    Example:
        >>> low, high = interval(np.array([0.7]), np.array([0.01]), np.ones((10, 1)), confidence=0.95)
        >>> print(low.round(3), high.round(3))
        [0.474] [0.926]
        >>> low, high = interval(np.array([1.0]), np.array([0.0]), np.ones((10, 1)), confidence=0.95)
        >>> print(low.round(3), high)  # 0.692 ** 10 is 0.025
        [0.692] [1.]
    """
    groups = effective(weights)
    half = student(freedom_of(groups), (1 + confidence) / 2) * np.sqrt(variance)
    agreed = (variance == 0) & ((found == 0) | (found == 1))
    half[agreed] = np.round(1 - ((1 - confidence) / 2) ** (1 / np.maximum(groups[agreed], 1)), 9)
    half[(weights > 0).sum(axis=0) < FEWEST] = np.nan
    return np.maximum(found - half, 0.0), np.minimum(found + half, 1.0)


def bootstrap(units: NDArray[Any], statistic: Statistic, resamples: int, rng: np.random.Generator) -> Floats:
    """The statistic of each resample of the groups, drawn with replacement (Efron 1979).

    A resample may contain no group with some class; the score of that class is then NaN.

    Args:
        units: [groups, ...].
        statistic: From sums over groups to columns of scores.
        resamples: The number of resamples.
        rng: Draws the resamples.

    Returns:
        [resamples, columns].

    Example:
        >>> units = np.array([[8, 10], [9, 10], [4, 10]])  # correct pixels and all pixels of three groups
        >>> accuracy = lambda sums: sums[..., :1] / sums[..., 1:]
        >>> samples = bootstrap(units, accuracy, 1000, np.random.default_rng(0))
        >>> print(samples.shape, samples.mean().round(2))
        (1000, 1) 0.69
    """
    flat = _flat(units)
    steps = [
        statistic((weights @ flat).reshape(len(weights), *units.shape[1:]))
        for weights in resample_weights(len(units), resamples, rng, flat.shape[1])
    ]
    return np.concatenate(steps)


def resample_weights(groups: int, resamples: int, rng: np.random.Generator, width: int = 1) -> Iterator[Floats]:
    """How often each group is drawn in each resample.

    Args:
        groups: How many groups there are.
        resamples: How many resamples are drawn.
        rng: Draws the resamples.
        width: How many numbers a unit holds; it keeps the matrices of a step below `CELLS` cells.

    Yields:
        [some of the resamples, groups].
    """
    rows = max(1, CELLS // max(groups, width))
    for start in range(0, resamples, rows):
        number = min(rows, resamples - start)
        drawn = rng.integers(max(groups, 1), size=(number, groups))
        drawn += groups * np.arange(number)[:, None]
        yield np.bincount(drawn.ravel(), minlength=number * groups).reshape(number, groups).astype(np.float64)


# --- tests -----------------------------------------------------------------------------------------------------------


def permutation_test(
    base: NDArray[Any], head: NDArray[Any], statistic: Statistic, permutations: int, rng: np.random.Generator
) -> Floats:
    """Two-sided p-values of the null hypothesis that head's statistic equals base's, paired by group.

    If only chance distinguishes the two revisions, the two results of a group are exchangeable (Fisher). So the results
    of groups are swapped at random, and p is the share of swaps whose difference is at least as large as the observed
    one. If the groups that differ allow no more than `permutations` different swaps, all of them are tried and p is
    exact. Otherwise the observed arrangement counts as one of those tried, (b + 1) / (m + 1), so that p is never 0
    (Phipson and Smyth 2010).

    Args:
        base: [groups, ...].
        head: [groups, ...], the same groups in the same order.
        statistic: From sums over groups to columns of scores.
        permutations: How many swaps to try at most.
        rng: Draws the swaps.

    Returns:
        One p-value per column, NaN where the difference is undefined. Swaps without a value count as at least as large.

    Example:
        >>> base, head = np.array([[5, 10], [5, 10], [5, 10]]), np.array([[7, 10], [8, 10], [5, 10]])
        >>> accuracy = lambda sums: sums[..., :1] / sums[..., 1:]
        >>> permutation_test(base, head, accuracy, 1000, np.random.default_rng(0))  # only two groups differ: p is exact
        array([0.5])
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
    """Where the two differ. Swapping what is equal changes nothing: only groups that differ carry evidence."""
    return np.asarray((base != head).any(axis=axis))


def random_swaps(step: Floats, permutations: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Which groups are swapped (1) and which are not (0) in each random permutation.

    Yields:
        [some of the permutations, groups].
    """
    rows = max(1, CELLS // max(step.shape))
    for start in range(0, permutations, rows):
        number = min(rows, permutations - start)
        yield rng.integers(2, size=(number, len(step))).astype(np.float64)


def every_swap(step: Floats) -> Iterator[Floats]:
    """All swaps that leave the last group as it is: the others mirror these, and their differences are as large.

    Yields:
        [some of the swaps, groups], 1 where a group is swapped.

    Example:
        >>> np.concatenate(list(every_swap(np.ones((3, 2))))).tolist()
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    """
    rows = max(1, CELLS // max(step.shape))
    for start in range(0, _all_swaps(len(step)), rows):
        codes = np.arange(start, min(start + rows, _all_swaps(len(step))))
        yield ((codes[:, None] >> np.arange(len(step))) & 1).astype(np.float64)


def _all_swaps(groups: int) -> int:
    return int(2 ** max(groups - 1, 0))


def smallest_p(groups: int, permutations: int) -> float:
    """The smallest p-value that a test can give when this many groups differ.

    Example:
        >>> smallest_p(groups=6, permutations=1000)
        0.03125
    """
    return max(1 / _all_swaps(groups), 1 / (permutations + 1))


def groups_needed(p: float) -> int:
    """How many groups must differ before a test can give a p-value this small.

    Example:
        >>> groups_needed(0.05)
        6
    """
    return max(1, 1 + math.ceil(math.log2(1 / p)))


def holm(p: Floats) -> Floats:
    """Holm's step-down correction (1979) for multiple tests.

    If every difference with a corrected p-value below alpha is called significant, the probability that any of these
    claims is false is at most alpha.

    Args:
        p: P-values; NaN, for what was not tested, stays NaN and does not count.

    Example:
        >>> holm(np.array([0.01, 0.04, np.nan, 0.03]))
        array([0.03, 0.06,  nan, 0.06])
    """
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _flat(units: NDArray[Any]) -> Floats:
    return units.reshape(len(units), math.prod(units.shape[1:])).astype(np.float64)
