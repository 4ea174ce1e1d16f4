"""From matrices of two revisions to verdicts: each verdict where it belongs, and how often it is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from pipelines.compare.significance import Pair, Row, judge, retraining_floor
from pipelines.params import Compare, Judgement
from pixelproof.core.errors import ParamsError, StateError
from pixelproof.core.params import check
from pixelproof.scoring.catalogue import of_matrices
from pixelproof.scoring.counts import counts
from pixelproof.scoring.matrices import Matrices
from pixelproof.scoring.resampling import group_sums, holm
from pixelproof.scoring.scores import scores

CLASSES = ["ground", "tree", "car"]
PARAMS = Compare(
    alpha=0.05,
    resamples=400,
    permutations=500,
    metrics={"mIoU": Judgement(better="higher", tolerance=0.005), "iou": Judgement(better="higher", tolerance=0.01)},
)


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
    return {row.label or row.metric: row for row in judge([Pair("val", "unet", *sides)], CLASSES, params, 0)}


def words(found: Mapping[str, Row]) -> set[str]:
    """All verdicts."""
    return {row.words for row in found.values()}


def test_every_metric_of_matrices_can_be_tested_and_no_other() -> None:
    values = PARAMS.model_dump()
    metrics = {metric.name: {"better": metric.better, "tolerance": 0.01} for metric in of_matrices()}
    assert list(check(Compare, {**values, "metrics": metrics}).metrics) == list(metrics)
    for name in ("mIou", "ece"):
        with pytest.raises(ParamsError) as error:
            check(Compare, {**values, "metrics": {name: metrics["iou"]}}, "pipelines.compare.")
        assert f"found {name!r} (str); allowed: {', '.join(metrics)}" in str(error.value)
        assert str(error.value).endswith(" (did you mean 'mIoU'?)") == (name == "mIou")


def test_a_change_is_shown_with_its_direction() -> None:
    better, worse = rows(network(1, 0.8), network(2, 0.85)), rows(network(2, 0.85), network(1, 0.8))
    assert list(better) == ["mIoU", *CLASSES]
    assert words(better) == {"improved"}
    assert words(worse) == {"regressed"}
    for name, row in better.items():
        base, head, change, low, high = row.base, row.head, row.change, row.low, row.high
        assert base and head and change and low and high
        assert change == head - base
        assert 0 < low < change < high
        assert (row.groups, row.differing, row.seeds, row.retraining_words) == (10, 10, 1, "not measured")
        assert worse[name].change == -change
        assert worse[name].p == row.p
    assert better["tree"].base == scores(counts(network(1, 0.8).counts.sum(axis=0)))["iou"][1]
    lower = replace_metrics(mIoU=Judgement(better="lower", tolerance=0.005))
    assert words(rows(network(1, 0.8), network(2, 0.85), lower)) == {"regressed"}


def replace_metrics(**metrics: Judgement) -> Compare:
    """The same params with other metrics."""
    return Compare.model_validate(PARAMS.model_dump() | {"metrics": {k: v.model_dump() for k, v in metrics.items()}})


def test_what_does_not_change_and_what_changes_by_chance() -> None:
    assert words(rows(network(1, 0.8), network(1, 0.8))) == {"identical"}
    assert {row.p for row in rows(network(1, 0.8), network(1, 0.8)).values()} == {None}
    assert words(rows(network(1, 0.8), network(2, 0.8))) == {"no difference shown"}
    base, head = (network(seed, 0.8, groups=100, images=1000) for seed in (1, 2))
    found = rows(base, head)
    assert found["mIoU"].words == "equivalent within ±0.005"
    assert found["ground"].words == "equivalent within ±0.01"
    strict = replace_metrics(mIoU=Judgement(better="higher", tolerance=0.0001))
    assert words(rows(base, head, strict)) == {"no difference shown"}


def test_a_sure_change_within_the_tolerance_is_equivalent() -> None:
    base, head = (network(seed, skill, groups=100, images=300) for seed, skill in ((1, 0.8), (2, 0.82)))
    assert rows(base, head)["mIoU"].words == "improved"
    wide = rows(base, head, replace_metrics(mIoU=Judgement(better="higher", tolerance=0.1)))["mIoU"]
    assert wide.p_holm is not None and wide.p_holm < 0.05
    assert wide.words == "equivalent within ±0.1"


def test_equivalence_is_two_one_sided_tests_at_alpha() -> None:
    base, head = (network(seed, 0.8, groups=40) for seed in (1, 2))

    def mean(alpha: float, tolerance: float) -> Row:
        metrics = {"mIoU": {"better": "higher", "tolerance": tolerance}}
        return rows(base, head, Compare.model_validate(PARAMS.model_dump() | {"alpha": alpha, "metrics": metrics}))[
            "mIoU"
        ]

    # The interval at 1 - alpha of twice the alpha is the one at 1 - 2 alpha: it decides, and not the wider one shown.
    wide, narrow = (max(abs(row.low or 0), abs(row.high or 0)) for row in (mean(0.05, 0), mean(0.1, 0)))
    assert narrow < wide
    assert mean(0.05, (narrow + wide) / 2).verdict == "equivalent"
    assert mean(0.05, narrow - 1e-6).verdict == "no difference shown"


def test_too_few_groups_say_so() -> None:
    base, head = network(1, 0.8, groups=4), network(2, 0.9, groups=4)
    # Four groups can give p = 2 / 2**4 = 0.125. Four tests at 0.05 ask for 0.0125, so for 2 / 2**8 = 0.0078.
    assert words(rows(base, head)) == {"too few groups to tell (4 differ, 8 would be needed)"}
    assert {row.p for row in rows(base, head).values()} == {0.125}
    # Nor can four show that there is no difference: their resamples are too few and too alike.
    wide = replace_metrics(mIoU=Judgement(better="higher", tolerance=1.0))
    assert words(rows(base, head, wide)) == {"too few groups to tell (4 differ, 6 would be needed)"}
    eight = rows(network(1, 0.8, groups=8), network(2, 0.9, groups=8))
    assert words(eight) == {"improved"}
    # Of many groups only three differ: the others can tell nothing.
    base = network(1, 0.8, groups=30)
    head = Matrices(base.ids, base.groups, base.counts.copy())
    head.counts[:3] = network(2, 0.9, groups=30).counts[:3]
    few = rows(base, head)
    assert (few["mIoU"].groups, few["mIoU"].differing) == (30, 3)
    assert words(few) == {"too few groups to tell (3 differ, 8 would be needed)"}


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


def test_holm_goes_over_all_that_is_tested() -> None:
    sides = [{0: network(seed, 0.8)} for seed in (1, 2, 3)]
    pairs = [Pair(split, "unet", sides[0], side) for split, side in (("val", sides[1]), ("test", sides[2]))]
    found = judge(pairs, CLASSES, PARAMS, 0)
    assert [(row.split, row.label) for row in found[:5]] == [
        ("val", None),
        *(("val", c) for c in CLASSES),
        ("test", None),
    ]
    expected = holm(np.array([row.p for row in found], np.float64))
    assert [row.p_holm for row in found] == expected.tolist()
    # What stands beside an architecture corrects it, and changes nothing else of it.
    alone = judge(pairs[1:], CLASSES, replace_permutations(10_000), 0)
    beside = judge(pairs, CLASSES, replace_permutations(10_000), 0)[4:]
    assert [replace(row, p_holm=None) for row in alone] == [replace(row, p_holm=None) for row in beside]


def replace_permutations(permutations: int) -> Compare:
    """The same params with more permutations."""
    return Compare.model_validate(PARAMS.model_dump() | {"permutations": permutations})


def test_a_change_within_the_spread_of_seeds_is_retraining_noise() -> None:
    base = {0: network(1, 0.78), 1: network(2, 0.84), 2: network(3, 0.81)}
    near = {0: network(4, 0.81), 1: network(5, 0.85), 2: network(6, 0.83)}
    far = {0: network(4, 0.90), 1: network(5, 0.94), 2: network(6, 0.92)}
    within, beyond = rows(base, near), rows(base, far)
    assert {row.verdict for row in within.values()} == {"within retraining noise"}
    assert within["mIoU"].words == f"within retraining noise (±{within['mIoU'].retraining:.4f})"
    assert {row.verdict for row in beyond.values()} == {"improved"}
    assert within["mIoU"].seeds == 3
    # The same change of one seed alone would have been called an improvement.
    assert rows({0: base[0]}, {0: near[0]})["mIoU"].words == "improved"


def test_the_seed_floor_is_students_t() -> None:
    base, head = np.array([[0.70], [0.74], [0.72]]), np.array([[0.71], [0.79], [0.73]])
    floor = float(retraining_floor(base, head, 3, 0.05)[0])
    # A change of exactly the floor has p = 0.05 in Student's test of two samples of equal variance.
    moved = head - head.mean() + base.mean() + floor
    assert scipy.stats.ttest_ind(moved[:, 0], base[:, 0]).pvalue == pytest.approx(0.05)
    assert np.isnan(retraining_floor(base[:1], head[:1], 1, 0.05)).all()


def test_seeds_are_averaged_and_swapped_alike() -> None:
    base = {seed: network(seed, 0.8) for seed in (1, 2)}
    head = {seed: network(seed + 10, 0.82) for seed in (1, 2, 5)}
    row = rows(base, head)["mIoU"]
    assert row.seeds == 2
    means = [np.mean([scores(counts(side[s].counts.sum(axis=0)))["mIoU"] for s in (1, 2)]) for side in (base, head)]
    assert (row.base, row.head) == pytest.approx(means)
    # Ten groups: all 2**9 swaps, each of a group in both seeds, by a plain loop.
    one, other = (
        np.stack([group_sums(side[s].counts, side[s].groups) for s in (1, 2)], axis=1) for side in (base, head)
    )
    change = abs(means[1] - means[0])
    larger = 0
    for code in range(2**9):
        swap = np.array([code >> group & 1 for group in range(10)], bool)[:, None, None, None]
        sides = [np.where(swap, b, a).sum(axis=0) for a, b in ((one, other), (other, one))]
        apart = [scores(counts(side))["mIoU"].mean() for side in sides]
        larger += abs(apart[1] - apart[0]) >= change - 1e-12
    assert rows(base, head, replace_permutations(512))["mIoU"].p == larger / 2**9


def test_other_images_or_labels_are_refused() -> None:
    base, head = network(1, 0.8), network(2, 0.8)
    relabelled = Matrices(head.ids, head.groups, head.counts[::-1])
    for other in (relabelled, head.select(head.ids[:5])):
        with pytest.raises(StateError, match="val of unet: base's seed 0 has other images or labels"):
            rows(base, other)


def test_false_claims_are_as_rare_as_alpha_says() -> None:
    """Among 200 pairs in which nothing but chance differs, at most some 5 in a hundred get any claim at all."""
    params = PARAMS.model_validate(PARAMS.model_dump() | {"resamples": 100, "permutations": 256})
    claims = 0
    for seed in range(200):
        pair = Pair("val", "unet", {0: network(2 * seed, 0.8, 9)}, {0: network(2 * seed + 1, 0.8, 9)})
        claims += any(row.verdict in ("improved", "regressed") for row in judge([pair], CLASSES, params, seed))
    assert claims / 200 <= 0.09  # three standard errors above 0.05, were the four tests as many as one
