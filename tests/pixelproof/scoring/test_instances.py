"""How objects that were found lie to the true ones, against pycocotools, and by hand; and objects that touch."""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as rle

from pixelproof.data.dataset import IGNORE
from pixelproof.scoring.instances import Instance, compared, cut_out, from_objects, laid_over, merged, overlap
from pixelproof.scoring.objects import CROWD, components, numbered
from pixelproof.scoring.precision import average_precisions, pieces
from pixelproof.scoring.touching import watershed

RNG = np.random.default_rng(3)
CAR, TREE, GROUND = 1, 2, 0


def scene() -> tuple[Any, Any]:
    """Classes and instance ids: rectangles over each other, a crowd of cars, and a stripe nobody knows."""
    truth, instances = np.zeros((40, 50), np.uint8), np.zeros((40, 50), np.uint16)
    for number in range(1, 9):
        top, left = RNG.integers(0, 35), RNG.integers(0, 45)
        window = slice(top, top + RNG.integers(3, 15)), slice(left, left + RNG.integers(3, 15))
        truth[window], instances[window] = RNG.integers(1, 3), number
    truth[30:38, 3:20], instances[30:38, 3:20] = CAR, 0
    truth[:, 40:44] = IGNORE
    return truth, instances


def guesses() -> list[Instance]:
    """Rectangles, the best first."""
    found = []
    for score in np.linspace(0.9, 0.1, 12):
        mask = np.zeros((40, 50), bool)
        top, left = RNG.integers(0, 35), RNG.integers(0, 45)
        mask[top : top + RNG.integers(3, 15), left : left + RNG.integers(3, 15)] = True
        one = cut_out(int(RNG.integers(1, 3)), float(score), mask)
        assert one is not None
        found.append(one)
    return found


def whole(one: Instance) -> Any:
    """Its mask in the image."""
    found = np.zeros((40, 50), bool)
    found[one.window] = one.mask
    return found


def test_overlaps_are_those_of_pycocotools_where_all_is_known() -> None:
    for _ in range(20):
        truth, instances = scene()
        found, numbers = guesses(), numbered(truth, instances, [CAR, TREE])
        known = truth != IGNORE
        for label in (CAR, TREE):
            true = [number for number in np.unique(numbers[truth == label]) if number > 0]
            masks = [numbers == number for number in true]
            own = [whole(one) & known for one in found if one.label == label]
            got = compared(truth, numbers, found, label)
            coded = [[rle.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in each] for each in (own, masks)]
            wanted = np.array(rle.iou(*coded, [0] * len(masks))).reshape(len(own), len(masks))
            np.testing.assert_allclose(got.overlaps[:, : len(true)], wanted)
            assert got.areas.tolist() == [mask.sum() for mask in own]
            assert got.true_areas[: len(true)].tolist() == [mask.sum() for mask in masks]


def test_what_lies_in_a_crowd_or_in_the_unknown_is_no_mistake() -> None:
    truth, instances = np.zeros((10, 30), np.uint8), np.zeros((10, 30), np.uint16)
    truth[:5, :10], instances[:5, :10] = CAR, 7
    truth[:5, 10:20] = CAR
    truth[:, 25:] = IGNORE
    numbers = numbered(truth, instances, [CAR, TREE])
    assert (numbers[:5, 10:20] == CROWD).all() and (numbers[:5, :10] == 1).all()
    right = Instance(CAR, 0.9, 0, 0, np.ones((5, 10), bool))
    in_crowd = Instance(CAR, 0.8, 11, 1, np.ones((3, 3), bool))
    in_unknown = Instance(CAR, 0.7, 24, 0, np.ones((4, 4), bool))  # three quarters of it
    on_ground = Instance(CAR, 0.6, 2, 7, np.ones((2, 2), bool))
    found = [right, in_crowd, in_unknown, on_ground]
    parts = pieces(compared(truth, numbers, found, CAR), [(0, 1e10)], 100)
    assert parts.right[0, 0].tolist() == [True, False, False, False]
    assert parts.counted[0, 0].tolist() == [True, False, False, True]
    assert parts.truths.tolist() == [1] and np.isclose(average_precisions([parts])[0, 0], 1.0)
    assert compared(truth, numbers, found, TREE).overlaps.shape == (0, 1)  # nobody knows of a part of the image


def test_objects_are_cut_out_and_laid_over() -> None:
    labels = np.array([[1, 1, 0, 2], [1, 0, 0, 2], [0, 0, 1, 2]], np.uint8)
    certainty = np.linspace(0, 1, 12).reshape(3, 4)
    found = from_objects(components(labels, [CAR, TREE]), certainty)
    assert [one.label for one in found] == [CAR, TREE, CAR]
    np.testing.assert_allclose([one.score * 11 for one in found], [10, 7, 5 / 3])
    assert found[2].mask.tolist() == [[True, True], [True, False]]
    over = laid_over(labels, found, [CAR, TREE])
    assert over.classes.tolist() == [[255, 255, 0, 2], [255, 0, 0, 2], [0, 0, 1, 2]]  # of 5 / 33 one is not sure
    assert over.objects.tolist() == [[0, 0, 0, 2], [0, 0, 0, 2], [0, 0, 1, 2]]
    best = Instance(TREE, 0.9, 0, 0, np.ones((2, 2), bool))
    hidden = Instance(CAR, 0.8, 0, 0, np.ones((2, 3), bool))  # two thirds of it are under the best
    half = Instance(CAR, 0.7, 0, 0, np.ones((2, 4), bool))
    over = laid_over(np.zeros((2, 5), np.uint8), [best, hidden, half], [CAR, TREE])
    assert over.objects.tolist() == [[1, 1, 2, 2, 0]] * 2 and over.classes.tolist() == [[2, 2, 1, 1, 0]] * 2


def test_of_what_several_networks_found_the_best_is_kept() -> None:
    first = Instance(CAR, 0.9, 0, 0, np.ones((8, 10), bool))
    again = Instance(CAR, 0.8, 2, 0, np.ones((8, 10), bool))  # 64 / 96
    other = Instance(TREE, 0.7, 0, 0, np.ones((8, 10), bool))
    apart = Instance(CAR, 0.95, 8, 0, np.ones((8, 10), bool))  # 16 / 144 of the first, 32 / 128 of the second
    assert merged([[first, other], [again], [apart]]) == [apart, first, other]
    assert overlap(first, again) == 64 / 96 and overlap(apart, first) == 16 / 144
    assert merged([[], []]) == []


def test_an_empty_mask_is_no_object() -> None:
    assert cut_out(CAR, 0.5, np.zeros((4, 4), bool)) is None


def test_a_watershed_takes_discs_apart_that_touch() -> None:
    """Of radius 9, their centres 16 apart: their middles are 9 from the outline, that of the neck 4."""
    rows, columns = np.mgrid[:40, :60]
    labels = np.zeros((40, 60), np.uint8)
    for x in (20, 36):
        labels[(rows - 20) ** 2 + (columns - x) ** 2 <= 81] = CAR
    labels[5:8, 50:58] = TREE  # a bar has no neck, and is nowhere 3 from its outline
    assert len(components(labels, [CAR, TREE]).classes) == 2
    found = watershed(labels, [CAR, TREE], neck=3)
    assert found.classes.tolist() == [CAR, CAR, TREE]
    numbers = found.as_map()
    assert ((numbers > 0) == (labels > 0)).all()
    left, right = (
        set(np.unique(numbers[labels == CAR][columns[labels == CAR] < 27])),
        set(np.unique(numbers[20, 30:40])),
    )
    assert (left, right) == ({1}, {2})
    assert watershed(labels, [CAR, TREE], neck=6).classes.tolist() == [CAR, TREE]
    assert watershed(np.zeros_like(labels), [CAR, TREE], neck=3).classes.tolist() == []
