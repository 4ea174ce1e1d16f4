"""How sure a change is: against SciPy's tests, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from pipelines.compare.estimate import PRIOR, Spread, estimate, moderated, seed_spread
from pixelproof.scoring.resampling import effective


def of_one_class(right: list[list[int]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Counts [groups, seeds, 3, 1] of groups of 100 pixels, of which so many are found by each seed."""
    hits = np.array(right)[..., None]
    return np.stack([hits, np.full_like(hits, 100), np.full_like(hits, 100)], axis=-2)


def accuracy(totals: Any) -> Any:
    """The share of the pixels that are found, averaged over the seeds."""
    return (totals[..., 0, :] / totals[..., 1, :]).mean(axis=-2)


def test_for_groups_of_one_size_it_is_student_s_paired_test() -> None:
    base, head = [80, 70, 90, 60, 75, 85], [78, 71, 84, 52, 70, 80]
    sure = estimate(
        of_one_class([[x] for x in base]),
        of_one_class([[x] for x in head]),
        accuracy,
        effective(np.full((6, 1), 100.0)),
        Spread(np.zeros(1), 0),
    )
    differences = (np.array(head) - np.array(base)) / 100
    for tail, side in zip(sure.tails(), ("less", "greater"), strict=True):
        assert tail[0] == pytest.approx(scipy.stats.ttest_1samp(differences, 0, alternative=side).pvalue)
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    assert sure.interval(0, 0.9) == pytest.approx((expected.low, expected.high))
    assert sure.change[0] == pytest.approx(differences.mean())


def test_the_spread_of_seeds_is_that_of_student_s_test_of_two_samples() -> None:
    base, head = np.array([[0.70], [0.74], [0.72]]), np.array([[0.71], [0.79], [0.73], [0.80]])
    sure = estimate(
        of_one_class([[70, 74, 72]] * 2),
        of_one_class([[71, 79, 73, 80]] * 2),
        accuracy,
        np.ones(1),
        seed_spread(base, head),
    )
    expected = scipy.stats.ttest_ind(head[:, 0], base[:, 0]).confidence_interval(0.95)
    assert sure.retraining(0, 0.95) == pytest.approx((expected.high - expected.low) / 2)
    one = estimate(
        of_one_class([[70]] * 2), of_one_class([[71]] * 2), accuracy, np.ones(1), seed_spread(base[:1], head[:1])
    )
    assert np.isnan(one.retraining(0, 0.95)) and one.of_seeds[0] == 0


def test_a_spread_that_looks_small_is_raised_and_one_that_looks_large_is_left() -> None:
    low, high = moderated([Spread(np.array([1.0]), 2), Spread(np.array([5.0]), 2)])
    assert PRIOR == 2 and low.variance == (1 * 2 + 3 * 2) / 4 and high.variance == 5
    assert low.freedom == high.freedom == 4
    alone = moderated([Spread(np.array([1.0]), 2)])[0]
    assert alone.variance == 1 and alone.freedom == 2, "nothing to lean on"


def test_without_several_seeds_the_groups_alone_decide_and_with_them_the_less_sure_of_both() -> None:
    base, head = of_one_class([[80, 82], [70, 73], [90, 91]]), of_one_class([[78, 79], [71, 70], [84, 86]])
    seeds = seed_spread(np.array([[0.80], [0.82]]), np.array([[0.77], [0.78]]))
    sure = estimate(base, head, accuracy, np.full(1, 3.0), seeds)
    assert sure.error[0] ** 2 == pytest.approx(sure.of_groups[0] + (0.01**2 * 2 + 0.005**2 * 2) / 2)
    assert sure.freedom[0] == 2
    assert estimate(base, head, accuracy, np.full(1, 9.0), Spread(np.zeros(1), 0)).freedom[0] == 8
