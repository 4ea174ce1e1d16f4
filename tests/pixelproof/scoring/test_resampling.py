"""Jackknife, bootstrap, permutations, Holm: against SciPy, plain loops and hand-worked cases; and their error rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from pixelproof.scoring import resampling
from pixelproof.scoring.counts import counts, unstacked
from pixelproof.scoring.formulas import Floats
from pixelproof.scoring.resampling import (
    FEWEST,
    bootstrap,
    effective,
    group_sums,
    groups_needed,
    holm,
    interval,
    jackknife,
    permutation_test,
    resample_weights,
    smallest_p,
    student,
)
from pixelproof.scoring.scores import side_by_side

METRICS = ["mIoU", "iou"]


def statistic(totals: NDArray[Any]) -> Floats:
    """The mean IoU and that of each class."""
    return side_by_side(unstacked(totals), METRICS)


def units(seed: int, groups: int, skill: float = 0.7) -> NDArray[np.int64]:
    """Three classes, mixed differently in each group; the last one is rare."""
    draw = np.random.default_rng(seed)
    mix = draw.dirichlet([4, 3, 0.4], groups)
    right = np.full((3, 3), (1 - skill) / 2) + np.eye(3) * (skill - (1 - skill) / 2)
    return counts(draw.multinomial(400, (mix[:, :, None] * right).reshape(groups, 9)).reshape(groups, 3, 3)).stacked()


def test_images_are_summed_by_group_in_order_of_name() -> None:
    values = np.arange(10).reshape(5, 2)
    found = group_sums(values, ["b", "a", "b", "c", "a"])
    assert found.tolist() == [[2 + 8, 3 + 9], [0 + 4, 1 + 5], [6, 7]]
    shuffled = [3, 0, 4, 2, 1]
    again = group_sums(values[shuffled], [["b", "a", "b", "c", "a"][i] for i in shuffled])
    assert (again == found).all()


# --- intervals -------------------------------------------------------------------------------------------------------


def test_jackknife_worked_by_hand() -> None:
    # Hits, truth and predictions of two classes in three groups. IoU of the first: 4 / 10 of all, and 4 / 8, 3 / 5 and
    # 1 / 7 without each. The second is in the last group alone: without that there is no score of it.
    data = np.array([[[0, 0], [2, 0], [0, 0]], [[1, 0], [3, 0], [3, 0]], [[3, 1], [3, 1], [3, 2]]])
    found, variance = jackknife(data, lambda totals: side_by_side(unstacked(totals), ["iou"]))
    assert found.tolist() == [4 / 10, 1 / 2]
    assert variance[0] == pytest.approx(2 / 3 * ((4 / 8 - 0.4) ** 2 + (3 / 5 - 0.4) ** 2 + (1 / 7 - 0.4) ** 2))
    assert np.isnan(variance[1])
    assert np.isnan(interval(found, variance, np.ones((6, 2)), 0.95)).tolist() == [[False, True]] * 2


def test_for_groups_of_one_size_the_interval_is_student_s() -> None:
    right = np.array([80, 70, 90, 60, 75, 85])
    data = np.stack([right, np.full(6, 100)], axis=1)
    found, variance = jackknife(data, lambda sums: sums[..., :1] / sums[..., 1:])
    expected = scipy.stats.ttest_1samp(right / 100, 0).confidence_interval(0.9)
    assert np.ravel(interval(found, variance, np.full((6, 1), 100.0), 0.9)) == pytest.approx([*expected])
    assert student(5.0, 0.95) == pytest.approx(scipy.stats.t.ppf(0.95, 5), abs=1e-9)


def test_an_interval_ends_at_0_and_1_and_takes_enough_groups() -> None:
    weights = np.ones((FEWEST, 4))
    weights[0, 3] = 0  # the last score is held by one group less
    low, high = interval(np.array([0.02, 0.5, 0.99, 0.5]), np.full(4, 0.01), weights, 0.95)
    half = scipy.stats.t.ppf(0.975, 5) * 0.1
    np.testing.assert_allclose(low, [0, 0.5 - half, 0.99 - half, np.nan])
    np.testing.assert_allclose(high, [0.02 + half, 0.5 + half, 1, np.nan])


def test_groups_are_worth_what_they_weigh() -> None:
    assert effective(np.array([[1.0], [1], [1], [0]])) == pytest.approx(3)
    # (10 + 1 + 1)^2 / (100 + 1 + 1) = 1.41, and there are three
    assert effective(np.array([[10.0], [1], [1]])) == pytest.approx((3 + 144 / 102) / 2)
    assert effective(np.zeros((4, 1))).tolist() == [0]


def test_bootstrap_is_a_plain_loop_over_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    data = units(1, 17)
    drawn = np.random.default_rng(5).integers(17, size=(200, 17))
    loop = np.array([statistic(sum(data[group] for group in row)) for row in drawn])
    np.testing.assert_array_equal(bootstrap(data, statistic, 200, np.random.default_rng(5)), loop)
    monkeypatch.setattr(resampling, "CELLS", 17 * 30)  # in many small steps
    np.testing.assert_array_equal(bootstrap(data, statistic, 200, np.random.default_rng(5)), loop)


def test_resamples_spread_as_scipys_do() -> None:
    data, resamples = units(2, 30), 4000
    spread = bootstrap(data, statistic, resamples, np.random.default_rng(1)).std(axis=0, ddof=1)

    def of_groups(rows: NDArray[np.int64], axis: int) -> Floats:
        return np.moveaxis(statistic(data[rows].sum(axis=rows.ndim - 1)), -1, 0)

    reference = scipy.stats.bootstrap(
        (np.arange(30),), of_groups, n_resamples=resamples, method="percentile", axis=-1, rng=2
    ).standard_error
    np.testing.assert_allclose(spread, reference, rtol=0.05)  # each varies by 1 / sqrt(2 * 4000), about 0.011


def test_resamples_without_a_class_have_no_score_of_it() -> None:
    data = np.array([[[9, 0], [10, 0], [10, 0]], [[8, 1], [8, 2], [9, 1]], [[7, 0], [10, 0], [10, 0]]])
    samples = bootstrap(data, statistic, 300, np.random.default_rng(3))
    assert 0.2 < np.isnan(samples[:, 2]).mean() < 0.4  # (2 / 3) ** 3 = 0.296
    assert not np.isnan(samples[:, :2]).any()


def test_the_weights_are_draws_with_replacement() -> None:
    weights = np.concatenate(list(resample_weights(5, 4000, np.random.default_rng(4))))
    assert (weights.sum(axis=1) == 5).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(weights.var(axis=0), 5 * (1 / 5) * (4 / 5), atol=0.08)


# --- tests -----------------------------------------------------------------------------------------------------------


def by_scipy(base: NDArray[Any], head: NDArray[Any], column: int, permutations: float) -> float:
    """SciPy swaps positions in a pool that holds base's groups and then head's."""
    pool = np.concatenate([base, head])

    def difference(old: NDArray[Any], new: NDArray[Any], axis: int) -> Any:
        sums = [pool[side.astype(int)].sum(axis=side.ndim - 1) for side in (old, new)]
        return np.abs(statistic(sums[1]) - statistic(sums[0]))[..., column]

    rows = np.arange(len(base))
    found = scipy.stats.permutation_test(
        (rows, rows + len(base)),
        difference,
        permutation_type="samples",
        n_resamples=permutations,
        alternative="greater",
        vectorized=True,
        axis=-1,
        rng=8,
    )
    return float(found.pvalue)


def test_few_groups_are_enumerated_as_scipy_does() -> None:
    base, head = units(3, 8), units(4, 8, skill=0.74)
    found = permutation_test(base, head, statistic, 128, np.random.default_rng(0))
    assert found.tolist() == pytest.approx([by_scipy(base, head, column, np.inf) for column in range(4)], abs=1e-12)
    assert found.min() < 1


def test_random_permutations_are_scipys_within_monte_carlo_error() -> None:
    base, head = units(5, 40), units(6, 40, skill=0.71)
    found = permutation_test(base, head, statistic, 3000, np.random.default_rng(0))
    expected = np.array([by_scipy(base, head, column, 3000) for column in range(4)])
    error = np.sqrt(2 * expected * (1 - expected) / 3000)
    np.testing.assert_array_less(np.abs(found - expected), 4 * error + 1e-3)


def test_permutation_worked_by_hand() -> None:
    # Three groups of 10 pixels of one class; 5, 5, 5 are correct, then 7, 8, 5: the third group carries no evidence.
    base = np.array([[[5], [10], [10]]] * 3)
    head = base.copy()
    head[:2, 0, 0] = 7, 8
    accuracy = lambda totals: side_by_side(unstacked(totals), ["pixel_accuracy"])  # noqa: E731
    # Differences of +2 and +3: the four swaps give 5, 1, -1, -5, of which two are at least 5 in size.
    assert permutation_test(base, head, accuracy, 1000, np.random.default_rng(0)).tolist() == [2 / 4]
    assert permutation_test(base, base, accuracy, 1000, np.random.default_rng(0)).tolist() == [1.0]
    # Forty groups, all better: no random swap gives as large a difference, so p is (0 + 1) / (99 + 1), not 0.
    many = np.repeat(base[:1], 40, axis=0)
    better = many + np.array([[1], [0], [0]])
    assert permutation_test(many, better, accuracy, 99, np.random.default_rng(0)).tolist() == [1 / 100]
    nothing = np.zeros_like(base)
    assert np.isnan(permutation_test(nothing, nothing, accuracy, 9, np.random.default_rng(0))).all()


def test_equal_differences_that_rounding_parts_are_a_tie() -> None:
    # The first group's third class gains a pixel. The second's three IoUs are 0.1, 0.2, 0.3 and then 0.3, 0.2, 0.1,
    # whose mean is the same: to swap that group changes nothing, so that no swap is less than what was found, and p is
    # 1. But floats add up to 0.6000000000000001 one way and to 0.6 the other.
    def one_group(*right: int) -> list[list[int]]:
        return [list(right), [10] * 3, list(right)]  # what is right, true and predicted: an IoU is right / 10

    assert (0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1) == (0.6000000000000001, 0.6)
    base = np.array([one_group(1, 3, 3), one_group(1, 2, 3)])
    head = np.array([one_group(1, 3, 4), one_group(3, 2, 1)])
    assert permutation_test(base, head, statistic, 9, np.random.default_rng(0))[0] == 1


def test_holm_worked_by_hand() -> None:
    # Sorted: 0.005 * 4 = 0.02, 0.01 * 3 = 0.03, 0.03 * 2 = 0.06, 0.04 * 1 = 0.04 but never below the one before.
    found = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, np.nan, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_the_smallest_p_of_a_number_of_groups() -> None:
    assert [smallest_p(groups, 10**6) for groups in (0, 1, 2, 6)] == [1, 1, 1 / 2, 1 / 32]
    assert smallest_p(50, 999) == 1 / 1000
    assert [groups_needed(p) for p in (1, 0.5, 0.05, 1 / 32, 0.05 / 40)] == [1, 2, 6, 6, 11]
    base = np.array([[[5], [10], [10]]] * 6)
    head = base + np.array([[[1], [0], [0]]])
    p = permutation_test(base, head, statistic, 1000, np.random.default_rng(0))
    assert p.tolist() == [smallest_p(6, 1000)] * 2  # six groups, all better: the clearest result for six


# --- error rates -----------------------------------------------------------------------------------------------------


def simulated(seed: int, pairs: int, groups: int, gain: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of revisions on the same scenes of two classes, some of them harder; head is better by `gain`."""
    draw = np.random.default_rng(seed)
    share, hard = draw.beta(4, 2, (pairs, groups)), draw.beta(12, 3, (pairs, groups))
    pixels = draw.binomial(300, share)
    truth = np.stack([pixels, 300 - pixels], axis=-1)

    def network(skill: NDArray[np.float64]) -> NDArray[np.int64]:
        own = np.clip(skill + draw.normal(0, 0.03, skill.shape), 0, 1)  # each training has strong and weak scenes
        hits = draw.binomial(truth, own[..., None])
        return np.stack([hits, truth, hits + (truth - hits)[..., ::-1]], axis=-2)

    return network(hard), network(np.minimum(hard + gain, 1))


def p_values(base: NDArray[np.int64], head: NDArray[np.int64], permutations: int) -> NDArray[np.float64]:
    """P-values of the difference in mIoU, one per simulated pair."""
    miou = lambda totals: side_by_side(unstacked(totals), ["mIoU"])  # noqa: E731
    rng = np.random.default_rng(9)
    pairs = zip(base, head, strict=True)
    return np.array([permutation_test(old, new, miou, permutations, rng)[0] for old, new in pairs])


@pytest.mark.parametrize(("groups", "permutations"), [(10, 512), (20, 399)])
def test_five_in_a_hundred_null_pairs_are_called_different(groups: int, permutations: int) -> None:
    p = p_values(*simulated(10, 2000, groups, gain=0.0), permutations)
    assert 0.035 <= (p <= 0.05).mean() <= 0.065
    assert 0.45 <= (p <= 0.5).mean() <= 0.55


def test_a_change_of_four_points_is_found_in_forty_groups() -> None:
    base, head = simulated(11, 200, 40, gain=0.03)
    miou = [side_by_side(unstacked(side.sum(axis=1)), ["mIoU"]).mean() for side in (base, head)]
    assert 0.035 <= miou[1] - miou[0] <= 0.045  # on average over the pairs
    assert (p_values(base, head, 399) <= 0.05).mean() >= 0.8


def test_few_groups_give_intervals_that_hold_what_they_promise() -> None:
    """1,000 splits of eight of the same groups; resamples of so few vary too little, as is shown beside."""
    everybody = simulated(12, 1, 4000, gain=0.0)[0][0]
    rng, held = np.random.default_rng(13), []
    true = statistic(everybody.sum(axis=0))
    for _ in range(1000):
        data = everybody[rng.integers(len(everybody), size=8)]
        weights = np.concatenate([data[:, 1].sum(axis=1, keepdims=True), data[:, 1]], axis=1).astype(np.float64)
        samples = bootstrap(data, statistic, 200, rng)
        sides = interval(*jackknife(data, statistic), weights, 0.95), np.quantile(samples, (0.025, 0.975), axis=0)
        held.append([(low <= true) & (true <= high) for low, high in sides])
    jackknifed, resampled = np.mean(held, axis=0)
    assert jackknifed.min() >= 0.92 and jackknifed.max() <= 0.98, "the standard error of 0.95 is 0.007"
    assert resampled.max() < 0.9
