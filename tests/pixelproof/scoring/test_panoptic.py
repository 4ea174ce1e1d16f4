"""PQ against a plain reading of its paper, segment by segment, and cases worked by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.panoptic import BITS, Segments, challenge, count, quality, touching

CLASSES, THINGS = 4, [2, 3]


def segments(map_of: Segments) -> list[tuple[int, Any]]:
    """Each segment: its class and its pixels."""
    found = []
    for label in range(CLASSES):
        here = map_of.classes == label
        if label not in THINGS:
            found.append((label, here))
            continue
        found += [(label, here & (map_of.objects == number)) for number in np.unique(map_of.objects[here])]
    return [(label, pixels) for label, pixels in found if pixels.any()]


def as_in_the_paper(truth: Segments, predicted: Segments) -> Any:
    """Section 4, word by word."""
    void = truth.classes == IGNORE
    crowd = np.zeros_like(void) if truth.crowd is None else truth.crowd
    table = np.zeros((13, CLASSES))
    without = Segments(np.where(crowd, IGNORE, truth.classes).astype(np.uint8), truth.objects)
    true, found = segments(without), segments(predicted)
    taken: list[int] = []
    for label, pixels in true:
        for number, (other, guess) in enumerate(found):
            union = (pixels | guess) & ~void
            iou = (pixels & guess).sum() / union.sum()
            if label == other and iou > 0.5:
                table[0, label] += iou
                table[3:, label] += [iou > t for t in np.linspace(0.5, 0.95, 10)]
                taken.append(number)
                break
        else:
            table[2, label] += 1
    for number, (label, guess) in enumerate(found):
        hidden = guess & (void | (crowd & (truth.classes == label)))
        if number not in taken and (guess & ~void).any() and hidden.sum() <= 0.5 * guess.sum():
            table[1, label] += 1
    return table


def a_map(rng: np.random.Generator, ignore: float = 0.0) -> Segments:
    """Blocks of classes and objects."""
    classes = rng.integers(0, CLASSES, (4, 4)).repeat(5, 0).repeat(5, 1)
    objects = rng.integers(1, 4, (4, 4)).repeat(5, 0).repeat(5, 1)
    classes[rng.random(classes.shape) < ignore] = IGNORE
    return Segments(classes.astype(np.uint8), objects)


def near(rng: np.random.Generator, truth: Segments) -> Segments:
    """A prediction that is mostly right."""
    other = a_map(rng)
    wrong = (rng.random((10, 10)) < 0.3).repeat(2, 0).repeat(2, 1) | (truth.classes == IGNORE)
    return Segments(np.where(wrong, other.classes, truth.classes), np.where(wrong, other.objects, truth.objects))


@pytest.mark.parametrize("ignore", [0.0, 0.2, 0.7])
@pytest.mark.parametrize("crowded", [False, True])
def test_pq_is_that_of_the_paper(ignore: float, crowded: bool) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = a_map(rng, ignore)
        predicted = near(rng, truth)
        if crowded:
            where = np.isin(truth.classes, THINGS) & (truth.objects == 1)
            truth = Segments(truth.classes, truth.objects, where)
        np.testing.assert_allclose(count(truth, predicted, CLASSES, THINGS), as_in_the_paper(truth, predicted))


def test_pq_by_hand() -> None:
    """A car of 4 pixels, 3 of them found: IoU 3/4. The road is 3 of 4 right and has one pixel too many: 3/5."""
    truth = Segments(np.array([[2, 2, 2, 2, 0, 0, 0, 0, 1]], np.uint8), np.array([[1] * 9]))
    found = Segments(np.array([[2, 2, 2, 0, 0, 0, 0, 1, 1]], np.uint8), np.array([[7] * 9]))
    table = count(truth, found, CLASSES, THINGS)
    assert table[0].tolist() == pytest.approx([3 / 5, 0, 3 / 4, 0])
    assert table[1:4].tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0]]  # 1/2 is not above 1/2
    assert table[4:].sum(0).tolist() == [1, 0, 4, 0]  # 0.55; 0.55, 0.6, 0.65, 0.7
    assert challenge(table, THINGS) == pytest.approx(5 / 10)
    assert challenge(table, [0, 1, 2]) == pytest.approx((2 / 4 + 2 / 4 + 3 * 1 / 5) / 10)
    assert challenge(table, [3]) is None
    pq, sq, rq = quality(table, [0, 1, 2, 3])
    assert (pq, sq, rq) == pytest.approx(((0.6 + 0 + 0.75) / 3, (0.6 + 0 + 0.75) / 3, 2 / 3))
    assert quality(table, [3]) == (None, None, None)


def test_what_nobody_knows_is_no_mistake() -> None:
    everything = Segments(np.full((2, 2), IGNORE, np.uint8), np.zeros((2, 2), int))
    guess = Segments(np.full((2, 2), 2, np.uint8), np.ones((2, 2), int))
    assert not count(everything, guess, CLASSES, THINGS).any()
    crowd = Segments(np.full((2, 2), 2, np.uint8), np.zeros((2, 2), int), np.ones((2, 2), bool))
    assert not count(crowd, guess, CLASSES, THINGS).any()


def test_objects_that_touch_by_a_side_or_a_corner_and_are_of_one_class() -> None:
    rng, seen = np.random.default_rng(3), 0
    for _ in range(20):
        classes, objects = rng.integers(0, 4, (9, 11)).astype(np.uint8), rng.integers(-1, 5, (9, 11))
        classes[rng.random(classes.shape) < 0.4] = 0
        classes[rng.random(classes.shape) < 0.1] = IGNORE
        wanted = set()
        for y, x in np.ndindex(classes.shape):
            for other_y, other_x in itertools.product(range(max(y - 1, 0), y + 2), range(max(x - 1, 0), x + 2)):
                if other_y < 9 and other_x < 11 and classes[y, x] == classes[other_y, other_x] in (1, 2):
                    pair = int(objects[y, x]), int(objects[other_y, other_x])
                    wanted |= {(int(classes[y, x]), pair[0])} if min(pair) > 0 and pair[0] != pair[1] else set()
        found = touching(Segments(classes, objects), [1, 2])
        assert {(key >> BITS, key & (1 << BITS) - 1) for key in found} == wanted
        seen += len(wanted)
    assert seen > 50
