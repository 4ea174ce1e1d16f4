"""Scores, intervals and tests of a sweep against hand-made matrices, SciPy and evaluate's own interval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pipelines.compare.labels import Classes
from pipelines.params import Compare, Gate, Judgement
from pipelines.sweeps.failure import Failure
from pipelines.sweeps.page import as_page
from pipelines.sweeps.record import Record
from pipelines.sweeps.results import Results, Row, differences, score
from pipelines.sweeps.run import State
from pipelines.sweeps.spec import Point, Sweep
from pipelines.sweeps.table import as_csv, as_markdown
from pixelproof.scoring.matrices import Matrices
from pixelproof.scoring.resampling import interval

GROUPS = 12
HOW = Compare(
    alpha=0.05,
    metrics={"pixel_accuracy": Judgement(better="higher", tolerance=0.005)},
    objects=0.01,
    gate=Gate(metric="pixel_accuracy", alarm=0.05),
)


def matrices(right: list[int], of: int = 100) -> Matrices:
    """An image for each group, two classes, so many pixels right out of each class's `of`."""
    counts = np.array([[[of, 0], [of - each, each]] for each in right], np.int64)
    ids = [f"{at:02}" for at in range(len(right))]
    return Matrices(ids, [f"group-{name}" for name in ids], counts)


def row(name: str, right: list[int], architecture: str = "unet", of: int = 100) -> Row:
    """A network with one seed."""
    stored = {0: matrices(right, of)}
    scores = {"val": score(stored, "pixel_accuracy", 0.95), "test": score(stored, "pixel_accuracy", 0.95)}
    classes = Classes(("land", "water"), ((0, 0, 0), (1, 1, 1)))
    point = Point(name, {"train.batch": name})
    return Row(point, architecture, Record("c" * 40, 90.0), (0,), scores, {"val": stored}, classes)


def drawn(mean: float, seed: int) -> list[int]:
    """How many pixels of each group are right."""
    return list(np.random.default_rng(seed).binomial(100, mean, GROUPS))


def test_the_interval_of_one_seed_is_that_of_evaluate() -> None:
    right = drawn(0.7, 1)
    found = score({0: matrices(right)}, "pixel_accuracy", 0.95)
    each = (100 + np.array(right)) / 200  # equal groups: accuracy is their mean, and the jackknife that of a mean
    low, high = interval(
        np.array([each.mean()]), np.array([each.var(ddof=1) / GROUPS]), np.ones((GROUPS, 1)), confidence=0.95
    )
    assert found.value == pytest.approx(each.mean())
    assert found.low == pytest.approx(low[0])
    assert found.high == pytest.approx(high[0])
    few = score({0: matrices(right[:5])}, "pixel_accuracy", 0.95)
    assert few.value is not None and few.low is None, "too few groups for an interval"


def test_seeds_that_differ_widen_the_interval() -> None:
    one, other = matrices([50] * GROUPS), matrices([70] * GROUPS)
    found = score({0: one, 1: other}, "pixel_accuracy", 0.95)
    assert found.value == pytest.approx(0.8)
    half = float(stats.t.ppf(0.975, 1)) * 0.05  # the standard error of (0.75, 0.85); groups do not differ at all
    assert found.low == pytest.approx(max(0.8 - half, 0.0)) and found.high == pytest.approx(1.0)


def test_pairs_are_those_of_a_paired_t_test_corrected_by_holm() -> None:
    rights = [drawn(0.75, 1), [each + (1 if each % 2 else -1) for each in drawn(0.75, 1)], drawn(0.5, 3)]
    rows = [row(name, right) for name, right in zip("abc", rights, strict=True)]
    found = differences(rows, HOW)
    assert [(each.first, each.second) for each in found] == [(0, 1), (0, 2), (1, 2)]
    expected = [float(stats.ttest_rel(rights[each.first], rights[each.second]).pvalue) for each in found]
    assert [each.p for each in found] == pytest.approx(expected, rel=1e-6)
    order = np.argsort(expected)
    steps = np.maximum.accumulate([expected[at] * (3 - rank) for rank, at in enumerate(order)]).clip(max=1)
    assert [found[at].p_holm for at in order] == pytest.approx(list(steps), rel=1e-6)
    assert [each.told for each in found] == ["no difference shown", "differ", "differ"]
    assert found[1].change == pytest.approx((np.mean(rights[2]) - np.mean(rights[0])) / 200)


def test_what_is_not_comparable_is_not_tested() -> None:
    same = drawn(0.7, 1)
    rows = [row("a", same), row("b", same), row("c", same, of=120), row("d", [*same[:-1], same[-1] - 1])]
    told = {(each.first, each.second): each.told for each in differences(rows, HOW)}
    assert told[0, 1] == "identical"
    assert told[0, 2] == told[1, 2] == told[2, 3] == "not comparable"
    assert told[0, 3] == "too few groups", "one group that differs proves nothing"


def test_networks_are_compared_with_their_like() -> None:
    two = [
        row(point, drawn(0.7, at), arch)
        for at, (point, arch) in enumerate([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "z")])
    ]
    asked = {(each.first, each.second) for each in differences(two, HOW)}
    assert asked == {(0, 2), (1, 3)}, "x with x, y with y"
    alone = [row(point, drawn(0.7, at), arch) for at, (point, arch) in enumerate([("a", "x"), ("b", "y"), ("c", "z")])]
    assert len(differences(alone, HOW)) == 3, "points of one network each are compared whatever it is"


def test_the_table_says_what_is_known(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    rows = (row("high", drawn(0.8, 1)), row("low", drawn(0.4, 2)))
    sweep = Sweep("tried", evil, (*(each.point for each in rows), Point("bad", {"train.batch": 1})))
    state = State(
        sweep,
        "d" * 40,
        {each.point.name: each.record for each in rows},
        {"bad": Failure(f"{evil} " * 20, Path("bad/log"))},
    )
    found = Results("pixel_accuracy", rows, tuple(differences(rows, HOW)))
    text = as_markdown(state, found)
    assert "2 of 3 points; 1 failed; 1 of 1 pair differ significantly on validation" in text
    assert text.endswith("…` (all of it: `bad/log`)\n"), "a cause that is cut does not hide the log"
    assert "`high: unet` over `low: unet`: +0." in text and "p < 0.001" in text
    page = as_page(state, found, [])
    assert evil not in page and "&lt;img" in page and "(all of it: <code>bad/log</code>)</li>" in page
    assert page.count("<circle") == 2 and "differs, p &lt; 0.001" in page
    assert as_csv(state, found).splitlines()[-1].startswith("bad,1,,failed,")


def test_a_setting_of_null_is_told_from_one_that_is_left_alone() -> None:
    sweep = Sweep("tried", "crops", (Point("whole", {"train.crop": None}), Point("as-it-is", {})))
    state = State(sweep, "d" * 40, {}, dict.fromkeys(("whole", "as-it-is"), Failure("failed")))
    head, *lines = as_csv(state, Results("pixel_accuracy", (), ())).splitlines()
    assert head.startswith("point,train.crop,architecture,")
    assert [line.split(",")[:2] for line in lines] == [["whole", "null"], ["as-it-is", ""]]
