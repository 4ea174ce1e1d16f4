"""From matrices of two revisions to verdicts: each verdict where it belongs, and how often it is wrong."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import scipy.stats

from pipelines.compare.compare import through_gate
from pipelines.compare.result import Comparison, SideName
from pipelines.compare.significance import Pair, Row, judge
from pipelines.compare.verdicts import RowFacts, verdict_of
from pipelines.compare.words import headline
from pipelines.params import Compare, Judgement
from pixelproof.core.errors import ExitCode, ParamsError, StateError
from pixelproof.core.params import check
from pixelproof.scoring.catalogue import of_matrices
from pixelproof.scoring.counts import counts
from pixelproof.scoring.matrices import Matrices
from pixelproof.scoring.resampling import group_sums, holm
from pixelproof.scoring.scores import scores

CLASSES = ["ground", "tree", "car"]
VALUES: dict[str, Any] = {
    "alpha": 0.05,
    "gate": {"metric": "mIoU", "alarm": 0.05},
    "objects": 0.01,
    "metrics": {"mIoU": {"better": "higher", "tolerance": 0.005}, "iou": {"better": "higher", "tolerance": 0.01}},
}
PARAMS = Compare.model_validate(VALUES)


def network(seed: int, skill: float, groups: int = 10, images: int = 30, cars: float = 1.0) -> Matrices:
    """What a network makes of scenes that are the same for all; its mistakes are its own."""
    draw = np.random.default_rng(99)
    truth = draw.multinomial(500, draw.dirichlet([4, 3, cars or 1e-9], images))
    if not cars:
        truth[:, 2] = 0
    right = np.full((3, 3), (1 - skill) / 2) + np.eye(3) * (skill - (1 - skill) / 2)
    found = np.random.default_rng(seed).multinomial(truth, right)
    return Matrices([f"image-{i:03}" for i in range(images)], [f"flight-{i % groups}" for i in range(images)], found)


def rows(
    base: Mapping[int, Matrices] | Matrices, head: Mapping[int, Matrices] | Matrices, params: Compare = PARAMS
) -> dict[str, Row]:
    """The rows of one architecture by class; without one it is the mean's."""
    sides = [{0: side} if isinstance(side, Matrices) else side for side in (base, head)]
    return {row.label or row.metric: row for row in judge([Pair("val", "unet", *sides)], CLASSES, params)}


def words(found: Mapping[str, Row]) -> set[str]:
    """All verdicts."""
    return {row.words for row in found.values()}


def with_tolerance(tolerance: float) -> Compare:
    """The same params, with another tolerance of mIoU, and of nothing else."""
    metrics = {"mIoU": {"better": "higher", "tolerance": tolerance}}
    return Compare.model_validate(VALUES | {"metrics": metrics})


def test_every_metric_of_matrices_can_be_tested_and_no_other() -> None:
    metrics = {metric.name: {"better": metric.better, "tolerance": 0.01} for metric in of_matrices()}
    assert list(check(Compare, {**VALUES, "metrics": metrics}).metrics) == list(metrics)
    for name in ("mIou", "ece"):
        with pytest.raises(ParamsError) as error:
            check(Compare, {**VALUES, "metrics": {name: metrics["iou"]}}, "pipelines.compare.")
        assert f"found {name!r} (str); allowed: {', '.join(metrics)}" in str(error.value)
        assert str(error.value).endswith(" (did you mean 'mIoU'?)") == (name == "mIou")


def test_the_gate_is_one_of_the_metrics_and_one_number() -> None:
    for metric in ("iou", "fwIoU"):
        with pytest.raises(ParamsError, match=r"pipelines\.compare\.gate: .* one of metrics that has no classes: mIoU"):
            check(Compare, {**VALUES, "gate": {"metric": metric, "alarm": 0.05}}, "pipelines.compare.")


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_a_change_is_shown_with_its_direction() -> None:
    better, worse = rows(network(1, 0.8), network(2, 0.85)), rows(network(2, 0.85), network(1, 0.8))
    assert list(better) == ["mIoU", *CLASSES]
    assert words(better) == {"improved"}
    assert words(worse) == {"regressed"}
    for name, row in better.items():
        base, head, change, low, high = row.base, row.head, row.change, row.low, row.high
        assert base and head and change and low and high
        assert change == pytest.approx(head - base, abs=1e-12)
        assert 0 < low < change < high
        assert (row.groups, row.differing, row.seeds, row.retraining_words) == (10, 10, (1, 1), "not measured")
        assert worse[name].change == pytest.approx(-change)
        assert worse[name].p == pytest.approx(row.p)
    assert better["tree"].base == scores(counts(network(1, 0.8).counts.sum(axis=0)))["iou"][1]
    lower = VALUES | {"metrics": {"mIoU": {"better": "lower", "tolerance": 0.005}}}
    assert words(rows(network(1, 0.8), network(2, 0.85), Compare.model_validate(lower))) == {"regressed"}
    assert words(rows(network(2, 0.85), network(1, 0.8), Compare.model_validate(lower))) == {"improved"}


def test_what_does_not_change_and_what_changes_by_chance() -> None:
    assert words(rows(network(1, 0.8), network(1, 0.8))) == {"identical"}
    assert {row.p for row in rows(network(1, 0.8), network(1, 0.8)).values()} == {None}
    by_chance = rows(network(1, 0.8), network(2, 0.8))
    assert by_chance.pop("mIoU").words == "no difference shown; a drop of 0.05 is ruled out"
    assert words(by_chance) == {"no difference shown"}
    base, head = (network(seed, 0.8, groups=100, images=1000) for seed in (1, 2))
    found = rows(base, head)
    assert found["mIoU"].words == "equivalent within ±0.005"
    assert found["ground"].words == "equivalent within ±0.01"
    assert rows(base, head, with_tolerance(0.0001))["mIoU"].verdict == "no difference shown"


def test_a_sure_change_within_the_tolerance_is_equivalent() -> None:
    base, head = (network(seed, skill, groups=100, images=300) for seed, skill in ((1, 0.8), (2, 0.82)))
    assert rows(base, head)["mIoU"].words == "improved"
    wide = rows(base, head, with_tolerance(0.1))["mIoU"]
    assert wide.p_holm is not None and wide.p_holm < 0.05
    assert wide.words == "equivalent within ±0.1"


def test_equivalence_is_earned_by_the_interval_that_is_shown() -> None:
    base, head = (network(seed, 0.8, groups=40) for seed in (1, 2))
    row = rows(base, head)["mIoU"]
    assert row.low is not None and row.high is not None
    farthest = max(-row.low, row.high)
    assert rows(base, head, with_tolerance(farthest + 1e-6))["mIoU"].verdict == "equivalent"
    assert rows(base, head, with_tolerance(farthest - 1e-6))["mIoU"].verdict == "no difference shown"


def some_images(base: Matrices, head: Matrices, number: int) -> Matrices:
    """The base, with the head's first images."""
    mixed = Matrices(base.ids, base.groups, base.counts.copy())
    mixed.counts[:number] = head.counts[:number]
    return mixed


def test_a_class_of_one_group_is_not_equivalent_whatever_happens_elsewhere() -> None:
    def one_car(seed: int) -> Matrices:
        found, cars = network(seed, 0.9, groups=16, images=16, cars=0), network(seed, 0.9, groups=16, images=16)
        return some_images(found, cars, 1)

    found = rows(one_car(1), one_car(2), Compare.model_validate(VALUES | {"metrics": wide_metrics()}))
    assert (found["car"].groups, found["car"].low, found["car"].high) == (1, None, None)
    assert found["car"].words == "too few groups to tell (1 differ, 6 would be needed)"
    assert found["tree"].verdict == "equivalent"


def wide_metrics() -> dict[str, Any]:
    """Metrics in which any change is within the tolerance, if it can be shown."""
    return {name: how | {"tolerance": 1.0} for name, how in VALUES["metrics"].items()}


@pytest.mark.parametrize(
    ("interval", "equivalent"),
    [
        ((-0.0049, 0.004), True),
        ((-0.0051, 0.004), False),
        ((-0.004, 0.0051), False),
        ((0.001, 0.001), False),  # a point says nothing of how sure it is
        ((math.nan, math.nan), False),  # five groups: no interval to earn it with
    ],
)
def test_equivalent_is_earned_by_an_interval(interval: tuple[float, float], equivalent: bool) -> None:
    facts = RowFacts((0.5, 0.501), 0.001, interval, (-0.003, 0.003), 0.4, 0.4, 1, False, 5, 5, 6, math.nan)
    verdict, _ = verdict_of(facts, Judgement(better="higher", tolerance=0.005), None, 0.05)
    assert (verdict == "equivalent") == equivalent


def test_too_few_groups_say_so() -> None:
    base, head = network(1, 0.9, groups=4), network(2, 0.8, groups=4)
    few = rows(base, head)
    alarm = (
        "cannot tell, but worse by more than 0.05 so that a person must look: 4 groups differ, about 5 would be needed"
    )
    assert few.pop("mIoU").words == alarm
    # A swap of four signs gives 2 / 2^4 = 0.125, of six 0.031.
    assert words(few) == {"too few groups to tell (4 differ, 6 would be needed)"}
    assert {(row.p, row.low) for row in few.values()} == {(None, None)}
    # Nor can four show that there is no difference.
    wide = Compare.model_validate(VALUES | {"metrics": wide_metrics()})
    assert "equivalent" not in {row.verdict for row in rows(base, head, wide).values()}
    assert words(rows(network(1, 0.8, groups=6), network(2, 0.9, groups=6))) == {"improved"}
    # Of many groups only three differ: the others can tell nothing.
    base = network(1, 0.8, groups=30)
    few = rows(base, some_images(base, network(2, 0.9, groups=30), 3))
    assert (few["mIoU"].groups, few["mIoU"].differing) == (30, 3)
    assert few["tree"].words == "too few groups to tell (3 differ, 6 would be needed)"


def test_a_class_that_the_truth_lacks_is_not_tested() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rows(network(1, 0.8, cars=0), network(2, 0.85, cars=0))
        empty = rows(network(1, 0.8, images=0), network(2, 0.8, images=0))
    assert found["car"].words == "not comparable: no pixel of it in the ground truth"
    assert (found["car"].base, found["car"].p, found["car"].p_holm) == (0.0, None, None)
    assert found["tree"].words == "improved"
    assert words(empty) == {"not comparable: no pixel of it in the ground truth"}
    assert empty["mIoU"].base is None
    assert judge([], CLASSES, PARAMS) == []


# --- the gate --------------------------------------------------------------------------------------------------------


def test_a_collapse_on_five_groups_shuts_the_gate() -> None:
    """What passed once: of 52 two-sided tests, none could be significant with five groups."""
    base, head = network(1, 0.98, groups=5), network(2, 0.34, groups=5)
    others = [Pair(split, f"net-{i}", {0: base}, {0: base}) for i in range(3) for split in ("val", "test")]
    found = judge([*others, Pair("val", "unet", {0: base}, {0: head})], CLASSES, PARAMS)
    row = next(row for row in found if row.architecture == "unet")
    assert [row.base, row.head] == pytest.approx([0.955, 0.204], abs=0.02)
    comparison = Comparison(SideName("base", None), SideName("head", None), rows=tuple(found))
    assert through_gate(comparison) == ExitCode.WORSE
    assert headline(comparison).startswith("regressed on validation: 1 of 4 architectures")
    assert (row.verdict, row.groups, row.low) == ("regressed", 5, None)
    assert row.p is not None and row.p < 0.001


def test_the_gate_is_corrected_over_architectures_and_the_rest_by_itself() -> None:
    sides = [{0: network(seed, skill)} for seed, skill in ((1, 0.8), (2, 0.8), (3, 0.79), (4, 0.83))]
    pairs = [Pair(split, f"net-{i}", sides[0], sides[i]) for i in (1, 2, 3) for split in ("val", "test")]
    found = judge(pairs, CLASSES, PARAMS)
    gate = [row for row in found if row.split == "val" and row.metric == "mIoU"]
    one_sided = [row.p if (row.change or 0) < 0 else 1 - (row.p or 0) for row in gate]
    corrected = holm(np.array(one_sided, np.float64))
    rest = [row.p for row in found if row not in gate]
    better = [1 - (row.p or 0) if (row.change or 0) < 0 else row.p for row in gate]
    secondary = holm(np.array([*rest, *better], np.float64))
    for number, row in enumerate(gate):
        expected = corrected[number] if (row.change or 0) < 0 else secondary[len(rest) + number]
        assert row.p_holm == pytest.approx(expected)
    assert {(row.change or 0) < 0 for row in gate} == {True, False}
    assert [row.p_holm for row in found if row not in gate] == pytest.approx(secondary[: len(rest)].tolist())
    # One-sided and alone among classes: what would not do for a class does for the gate.
    alone = judge(pairs[2:3], CLASSES, PARAMS)
    assert alone[0].p == alone[0].p_holm == gate[1].p


def spread_out(seed: int, drop: float, groups: int) -> tuple[Matrices, Matrices]:
    """Two networks of which the second is worse by a different amount in each group."""
    base = network(1, 0.9, groups=groups, images=groups)
    skills = np.random.default_rng(seed).normal(0.9 - drop, 0.12, groups).clip(0.4, 0.99)
    parts = [network(2, float(skill), groups=groups, images=groups).counts[i] for i, skill in enumerate(skills)]
    return base, Matrices(base.ids, base.groups, np.array(parts))


def test_what_cannot_be_told_says_what_it_would_take() -> None:
    base, head = spread_out(1, 0.05, 8)
    row = rows(base, head)["mIoU"]
    assert row.verdict == "cannot tell" and row.change is not None and -0.05 < row.change < 0
    needed = int(row.words.removeprefix("cannot tell: 8 groups differ, about ").removesuffix(" would be needed"))
    assert 8 < needed < 800
    # So many groups of the same kind do tell, and clearly fewer do not.
    enough, fewer = -(-needed // 8) + 1, needed // 16
    assert rows(repeated(base, enough), repeated(head, enough))["mIoU"].verdict != "cannot tell"
    assert rows(repeated(base, fewer), repeated(head, fewer))["mIoU"].verdict == "cannot tell"


def repeated(one: Matrices, times: int) -> Matrices:
    """The same images several times, in other groups."""
    ids = [f"{number}-{name}" for number in range(times) for name in one.ids]
    return Matrices(ids, ids, np.concatenate([one.counts] * times))


def test_more_groups_are_not_asked_for_where_the_seeds_are_apart() -> None:
    base, head = ({seed: network(seed + more, skill, 30) for seed, skill in skills} for more, skills in (
        (0, ((0, 0.75), (1, 0.85))), (10, ((0, 0.74), (1, 0.84))),
    ))  # fmt: skip
    row = rows(base, head)["mIoU"]
    assert row.words == "cannot tell: the seeds are too far apart, more of them would be needed"


def test_an_interval_without_0_is_explained() -> None:
    wanted = "no difference shown (p is corrected for "
    for seed in range(40):
        base, head = spread_out(seed, 0.03, 12)
        for row in rows(base, head).values():
            if row.words.startswith(wanted):
                assert row.low is not None and row.high is not None and (row.low > 0 or row.high < 0)
                assert row.p is not None and row.p <= 0.05 < (row.p_holm or 0)
                return
            assert row.verdict != "no difference shown" or row.low is None or row.low <= 0 <= (row.high or 0)
    pytest.fail("no case of it among these")


# --- several seeds ---------------------------------------------------------------------------------------------------


def test_a_change_within_the_spread_of_seeds_is_not_shown() -> None:
    base = {0: network(1, 0.78), 1: network(2, 0.84), 2: network(3, 0.81)}
    near = {0: network(4, 0.81), 1: network(5, 0.85), 2: network(6, 0.83)}
    far = {0: network(4, 0.93), 1: network(5, 0.97), 2: network(6, 0.95)}
    within, beyond = rows(base, near), rows(base, far)
    assert within.pop("mIoU").verdict == "within retraining noise"
    assert {row.verdict for row in within.values()} == {"within retraining noise"}
    assert within["tree"].words == f"within retraining noise (±{within['tree'].retraining:.4f})"
    assert {row.verdict for row in beyond.values()} == {"improved"}
    assert within["tree"].seeds == (3, 3)
    # The same change of one seed alone would have been called an improvement.
    assert rows({0: base[0]}, {0: near[0]})["mIoU"].words == "improved"


def test_all_seeds_of_both_sides_count() -> None:
    base = {0: network(1, 0.8)}
    head = {seed: network(seed + 10, 0.82) for seed in (0, 1, 2)}
    row = rows(base, head)["mIoU"]
    assert row.seeds == (1, 3)
    means = [
        np.mean([scores(counts(one.counts.sum(axis=0)))["mIoU"] for one in side.values()]) for side in (base, head)
    ]
    assert (row.base, row.head) == pytest.approx(means)
    # Of the head's three seeds: t of 2 degrees of freedom, for the mean of three against one.
    values = [scores(counts(one.counts.sum(axis=0)))["mIoU"] for one in head.values()]
    expected = scipy.stats.t.ppf(0.975, 2) * np.std(values, ddof=1) * np.sqrt(1 + 1 / 3)
    assert row.retraining == pytest.approx(expected)


def test_the_variance_is_that_of_leaving_each_group_out_by_a_plain_loop() -> None:
    base, head = ({seed: network(seed + more, 0.8) for seed in (0, 1)} for more in (0, 10))

    def change(left_out: int | None) -> float:
        kept = [
            np.delete(group_sums(one.counts, one.groups), [] if left_out is None else [left_out], axis=0).sum(axis=0)
            for side in (base, head)
            for one in side.values()
        ]
        each = [float(scores(counts(matrix))["mIoU"]) for matrix in kept]
        return (each[2] + each[3] - each[0] - each[1]) / 2

    whole = change(None)
    of_groups = 0.9 * sum((change(group) - whole) ** 2 for group in range(10))
    each = [[scores(counts(one.counts.sum(axis=0)))["mIoU"] for one in side.values()] for side in (base, head)]
    of_seeds = np.mean([np.var(side, ddof=1) for side in each])  # times 1/2 + 1/2
    t = whole / np.sqrt(of_groups + of_seeds)
    row = rows(base, head)["mIoU"]
    assert row.change == pytest.approx(whole)
    assert row.p == pytest.approx(scipy.stats.t.cdf(-abs(t), 2))


def test_other_images_or_labels_are_refused() -> None:
    base, head = network(1, 0.8), network(2, 0.8)
    relabelled = Matrices(head.ids, head.groups, head.counts[::-1])
    for other in (relabelled, head.select(head.ids[:5])):
        with pytest.raises(StateError, match="val of unet: base's seed 0 has other images or labels"):
            rows(base, other)


# --- how often it is wrong; benchmarks/significance.py has more of it ------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_false_claims_are_as_rare_as_alpha_says(seeds: int) -> None:
    """Nothing but chance differs, and the seed, which moves all images of a network alike if there are several."""
    draw, claims, shut = np.random.default_rng(seeds), 0, 0
    for _ in range(200):
        skills = draw.normal(0.8, 0.02 if seeds > 1 else 0, (4, 2, seeds))
        pairs = [
            Pair(
                "val",
                f"net-{i}",
                *({k: network(int(draw.integers(2**31)), s, 12) for k, s in enumerate(side)} for side in net),
            )
            for i, net in enumerate(skills)
        ]
        found = judge(pairs, CLASSES, PARAMS)
        claims += any(row.verdict in ("improved", "regressed") for row in found)
        shut += any(row.verdict == "regressed" for row in found if row.metric == "mIoU")
    assert shut / 200 <= 0.05 + 3 * 0.0154
    assert claims / 200 <= 0.06 + 3 * 0.0168


def test_a_true_change_of_the_tolerance_is_rarely_called_equivalent() -> None:
    """0.005 of mIoU, in networks whose groups differ."""
    passed = 0
    for seed in range(200):
        draw = np.random.default_rng([5, seed])
        base = network(seed, 0.8, 8, 8)
        hits = base.counts.diagonal(axis1=1, axis2=2) / base.counts.sum(axis=2)
        assert hits.shape == (8, 3)
        moved = base.counts.copy()
        shift = np.round(draw.normal(0.005 / 1.33, 0.004, 8) * 500).astype(np.int64)
        moved[:, 0, 1] += shift
        moved[:, 0, 0] -= shift
        passed += rows(base, Matrices(base.ids, base.groups, moved))["mIoU"].verdict == "equivalent"
    assert passed / 200 <= 0.05 + 3 * 0.0154
