"""Places to land: cases worked by hand, and a plain loop over every unsafe pixel as the reference."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest, ttest_1samp

from stages.measure.landing import STEP, Disk, Judge, Rules, best_disks, clearance, from_centre
from stages.measure.places import share_interval
from tests.stages.measure.shapes import rectangle

GRASS, WATER, PERSON = 0, 1, 2
RULES = Rules(frozenset({GRASS}), {}, radius=3.0, disks=3, levels=20)
SURE = 255


def water(size: tuple[int, int], *meadows: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Water with meadows in it: top, left, height, width."""
    labels = np.full(size, WATER, np.uint8)
    for meadow in meadows:
        labels[rectangle(size, *meadow)] = GRASS
    return labels


def by_loop(labels: NDArray[np.uint8], rules: Rules, certainty: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The definition, pixel by pixel: a mean over levels of the distance to the nearest thing that limits a disk."""
    height, width = labels.shape
    found = np.zeros(labels.shape)
    for row, column in np.ndindex(*labels.shape):
        edge = min(row, column, height - 1 - row, width - 1 - column) + 0.5
        for level in range(1, rules.levels + 1):
            room = edge
            for y, x in np.ndindex(*labels.shape):
                away = math.hypot(y - row, x - column) - 0.5
                label = int(labels[y, x])
                if label not in rules.safe or certainty[y, x] / 255 < level / rules.levels:
                    room = min(room, away)
                room = min(room, away - rules.keep.get(label, -math.inf))
            found[row, column] += max(room, 0) / rules.levels
    return found


def test_the_middle_of_a_meadow() -> None:
    """11 pixels high, 25 wide: half its height is the radius, and of equal centres the leftmost comes first."""
    disks = best_disks(clearance(water((30, 40), (5, 7, 11, 25)), RULES), RULES)
    assert disks == [Disk(12, 10, 5.5, 5.5), Disk(23, 10, 5.5, 5.5)]  # a third has 2.5 at most


def test_a_disk_lies_inside_the_image() -> None:
    assert best_disks(clearance(np.zeros((20, 32), np.uint8), RULES), replace(RULES, disks=1)) == [Disk(9, 9, 9.5, 9.5)]


def test_a_person_is_kept_at_a_distance() -> None:
    labels = np.full((21, 61), GRASS, np.uint8)
    labels[:, 30] = PERSON
    first = [best_disks(clearance(labels, rules), rules)[0] for rules in (RULES, replace(RULES, keep={PERSON: 12.0}))]
    # Alone, half the height. Kept at 12 from column 30, x = 8: 8.5 to the edge, 21.5 - 12 to the person; the same for
    # x = 9; of the rows that have 8.5 above them, the first.
    assert first == [Disk(10, 10, 10.5, 10.5), Disk(8, 8, 8.5, 8.5)]


def test_of_equals_the_uppermost_then_the_leftmost() -> None:
    labels = water((40, 40), (2, 21, 9, 9), (2, 3, 9, 9), (20, 3, 9, 9))
    assert [(d.x, d.y) for d in best_disks(clearance(labels, RULES), RULES)] == [(7, 6), (25, 6), (7, 24)]


def test_no_place_gives_no_disk() -> None:
    narrow = water((30, 30), (3, 3, 5, 20))
    assert best_disks(clearance(narrow, RULES), RULES) == []
    assert len(best_disks(clearance(narrow, RULES), replace(RULES, radius=2.5))) == 3
    assert best_disks(clearance(np.full((9, 9), 255, np.uint8), RULES), replace(RULES, radius=0.001)) == []


def test_certainty_moves_the_choice() -> None:
    """A meadow of 15 pixels, certain by a half, is worth 3.75; a certain one of 11 is worth 5.5."""
    labels = water((30, 40), (2, 2, 15, 15), (4, 22, 11, 11))
    certainty = np.full(labels.shape, SURE, np.uint8)
    certainty[:, :20] = 128
    large, small = Disk(9, 9, 7.5, 7.5), Disk(27, 9, 5.5, 5.5)
    assert best_disks(clearance(labels, RULES), RULES) == [large, small]
    assert best_disks(clearance(labels, RULES, certainty), RULES) == [small, Disk(9, 9, 3.75, 3.75)]


def test_even_certainty_shortens_all_by_its_share() -> None:
    labels = water((30, 40), (2, 2, 21, 30))
    even = np.full(labels.shape, 204, np.uint8)  # 0.8
    plain = clearance(labels, RULES)
    assert np.abs(clearance(labels, RULES, even) - 0.8 * plain).max() < 0.002 * STEP
    assert (clearance(labels, RULES, np.full_like(even, SURE)) == plain).all()
    assert (clearance(labels, RULES, np.zeros_like(even)) == 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_loop_over_all_pixels_finds_the_same(seed: int) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.choice([GRASS, WATER, PERSON, 255], (13, 16), p=[0.95, 0.03, 0.01, 0.01]).astype(np.uint8)
    certainty = draw.choice([60, 130, 200, 255], labels.shape, p=[0.02, 0.02, 0.06, 0.9]).astype(np.uint8)
    rules = replace(RULES, keep={PERSON: 2.3}, levels=4)
    sure = np.full_like(certainty, SURE)
    for less in (
        by_loop(labels, rules, certainty) - clearance(labels, rules, certainty) / STEP,
        by_loop(labels, rules, sure) - clearance(labels, rules) / STEP,
    ):
        assert less.min() > -1e-9 and less.max() < 0.002  # cut to thousandths, the mean once more


@pytest.mark.parametrize("seed", range(5))
def test_more_certainty_never_takes_room_and_disks_stay_apart_on_safe_ground(seed: int) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.choice([GRASS, WATER, PERSON], (48, 64), p=[0.99, 0.006, 0.004]).astype(np.uint8)
    certainty = draw.integers(100, 256, labels.shape).astype(np.uint8)
    rules = replace(RULES, keep={PERSON: 3.7}, disks=9, radius=1.0)
    room, more = (clearance(labels, rules, np.minimum(certainty + np.uint16(n), 255).astype(np.uint8)) for n in (0, 40))
    assert (room <= more).all() and (more <= clearance(labels, rules)).all() and (room < more).any()
    disks, judge = best_disks(room, rules), Judge.of(labels, rules)
    assert len(disks) == 9 and [d.radius for d in disks] == sorted((d.radius for d in disks), reverse=True)
    for i, disk in enumerate(disks):
        away = from_centre(labels.shape, disk)
        assert (labels[away < disk.radius + 0.499] == GRASS).all() and judge.judge(disk).verdict == "safe"
        assert disk.radius <= min(disk.x, disk.y, 63 - disk.x, 47 - disk.y) + 0.5
        for other in disks[:i]:
            assert math.hypot(disk.x - other.x, disk.y - other.y) >= disk.radius + other.radius - 1e-9


def test_the_truth_judges() -> None:
    truth = np.full((31, 61), GRASS, np.uint8)
    truth[15, 20], truth[15, 40], truth[:, 55:] = WATER, PERSON, 255
    rules = replace(RULES, keep={PERSON: 4.0}, radius=2.0)
    judge = Judge.of(truth, rules)

    def said(x: int, radius: float) -> tuple[str, bool | None, tuple[int, ...], tuple[int, ...]]:
        found = judge.judge(Disk(x, 15, radius, radius))
        return found.verdict, found.landable, found.touched, found.too_near

    assert said(10, 9.5) == ("safe", True, (), ())  # 10 to the water's centre
    assert said(10, 9.501) == ("false", True, (WATER,), ())
    assert said(19, 3.0) == ("false", False, (WATER,), ())
    assert said(30, 5.5) == ("safe", True, (), ())  # 9.5 to the person, of which 4 are kept
    assert said(30, 5.6) == ("false", True, (), (PERSON,))
    assert said(38, 2.0) == ("false", False, (PERSON,), ())  # what it touches is not counted as too near besides
    assert said(50, 4.5) == ("safe", True, (), ())
    assert said(50, 5.0) == ("unknown", True, (), ())  # 5 to what is not known, 5.5 to the distance from the person
    assert said(54, 2.0) == ("unknown", None, (), ())
    assert said(50, 9.0) == ("false", True, (), (PERSON,))  # whatever the rest is
    assert judge.judge(Disk(50, 15, 5.0, 5.0)).clearance == 4.5


def test_the_best_place_there_was() -> None:
    truth = water((30, 40), (5, 7, 11, 25))
    assert Judge.of(truth, RULES).best() == Disk(12, 10, 5.5, 5.5)
    assert Judge.of(truth, replace(RULES, radius=5.6)).best() is None


def test_the_interval_of_a_share_is_over_groups() -> None:
    draw = np.random.default_rng(8)
    groups = [f"flight {i}" for i in range(24) for _ in range(5)]
    judged = [(group, bool(draw.random() < (0.95 if int(group.split()[1]) % 2 else 0.2))) for group in groups]
    shares = [np.mean([good for name, good in judged if name == flight]) for flight in sorted(set(groups))]
    theirs = ttest_1samp(shares, 0).confidence_interval(0.95)
    assert share_interval(judged) == pytest.approx([theirs.low, theirs.high])
    alone = ttest_1samp([good for _, good in judged], 0).confidence_interval(0.95)
    assert theirs.high - theirs.low > 1.3 * (alone.high - alone.low)  # disks of a group are not independent looks


def test_too_few_groups_have_no_interval() -> None:
    judged = [(f"flight {i}", i % 2 == 0) for i in range(6)]
    assert share_interval(judged) == [0.0, 1.0]  # 0.5 ± 2.57 * 0.22
    assert share_interval(judged[:5]) is share_interval([]) is None
    exact = binomtest(6, 6).proportion_ci(0.95, "exact")  # six that agree: not 100 to 100 %
    assert share_interval([(group, True) for group, _ in judged]) == pytest.approx([exact.low, 1.0])
    assert share_interval([(group, False) for group, _ in judged]) == pytest.approx([0.0, 1 - exact.low])


@pytest.mark.parametrize("at_once", [1, 100])
def test_strips_of_an_image_give_the_same(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(4)
    labels = np.kron(draw.choice([GRASS, GRASS, WATER, PERSON], (6, 8)), np.ones((7, 7))).astype(np.uint8)
    certainty = np.asarray(draw.integers(100, 256, labels.shape), np.uint8)
    rules = replace(RULES, keep={PERSON: 2.5}, radius=1.0)
    room = clearance(labels, rules, certainty)
    disks = best_disks(room, rules)
    monkeypatch.setattr("stages.measure.landing.AT_ONCE", at_once)
    assert (clearance(labels, rules, certainty) == room).all()
    assert best_disks(room, rules) == disks and len(disks) == 3
