"""What an object is, against scikit-image's labels; which one is which, against COCO's evaluation and by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco
from skimage.measure import label

from pixelproof.scoring.objects import Objects, Pair, components, match, one_to_one, true_objects

IGNORED = 255
THINGS = [1, 3]
Map = NDArray[np.int64]
Labels = NDArray[np.uint8]
Instances = NDArray[np.uint16]


def drawn(text: str) -> Labels:
    """A mask from its picture: `.` ground, `#` to ignore, digits as they are."""
    codes = {".": 0, "#": IGNORED}
    return np.array([[codes.get(c) if c in codes else int(c) for c in line] for line in text.split()], np.uint8)


def random_masks(seed: int, count: int) -> Iterator[tuple[Labels, Labels, Instances]]:
    """Truth, prediction and instances: patches of every size down to one pixel, in maps of every shape."""
    draw = np.random.default_rng(seed)
    for _ in range(count):
        shape, patch = draw.integers(1, 30, 2), int(draw.integers(1, 5))
        coarse = draw.integers(0, 4, shape // patch + 1)
        truth = np.kron(coarse, np.ones((patch, patch), np.int64))[: shape[0], : shape[1]].astype(np.uint8)
        guess = np.where(draw.random(shape) < draw.choice([0.05, 0.3]), draw.integers(0, 4, shape), truth)
        instances = np.kron(draw.integers(0, 65536, coarse.shape), np.ones((patch, patch), np.int64))
        instances = np.where(draw.random(shape) < 0.3, draw.integers(0, 3, shape), instances[: shape[0], : shape[1]])
        truth[draw.random(shape) < draw.choice([0.0, 0.1])] = IGNORED
        yield truth, guess.astype(np.uint8), instances.astype(np.uint16)


def by_skimage(labels: Labels) -> tuple[Map, list[int]]:
    """Components of class after class, each class numbered by scikit-image, which scans a map row by row."""
    numbers, classes = np.zeros(labels.shape, np.int64), list[int]()
    for thing in THINGS:
        found, count = label(labels == thing, connectivity=2, return_num=True)
        numbers[found > 0] = found[found > 0] + len(classes)
        classes += [thing] * count
    return numbers, classes


def test_components_are_those_of_scikit_image_in_its_order() -> None:
    for truth, guess, _ in random_masks(1, 200):
        for labels in (truth, guess):
            numbers, classes = by_skimage(labels)
            found = components(labels, THINGS)
            assert np.array_equal(found.as_map(), numbers) and found.classes.tolist() == classes
    for text in ("1", ".", "1.1 .1. 1.1", "1.... 11111 ....1", "..1 .1. 1..", "1.1.1 1.1.1 11111"):
        assert np.array_equal(components(drawn(text), THINGS).as_map(), label(drawn(text) == 1, connectivity=2))


def test_regions_of_all_classes_in_reading_order_are_those_of_one_scan_by_scikit_image() -> None:
    for _, guess, _ in random_masks(2, 200):
        found = components(guess, THINGS)
        order = np.argsort(found.first_indices()[1:])
        again = np.zeros(len(order) + 1, np.int64)
        again[1 + order] = 1 + np.arange(len(order))
        assert np.array_equal(
            again[found.as_map()], label(np.where(np.isin(guess, THINGS), guess, 0), background=0, connectivity=2)
        )


def test_true_objects_are_instances_by_class_and_id_then_the_regions_of_what_has_no_id() -> None:
    mixed = 0
    for truth, _, instances in random_masks(3, 200):
        numbered = np.isin(truth, THINGS) & (instances > 0)
        keys = sorted(set(zip(truth[numbered].tolist(), instances[numbered].tolist(), strict=True)))
        expected = np.zeros(truth.shape, np.int64)
        for number, (thing, instance) in enumerate(keys, start=1):
            expected[(truth == thing) & (instances == instance)] = number
        rest, classes = by_skimage(np.where(numbered, 0, truth).astype(np.uint8))
        expected[rest > 0] = rest[rest > 0] + len(keys)
        found = true_objects(truth, instances, THINGS)
        assert np.array_equal(found.as_map(), expected)
        assert found.classes.tolist() == [thing for thing, _ in keys] + classes
        mixed += bool(keys) and bool(classes)
        assert np.array_equal(true_objects(truth, None, THINGS).as_map(), by_skimage(truth)[0])
        assert true_objects(truth, instances, []).classes.tolist() == []
    assert mixed > 100  # else this test would say little of both together


def rle(objects: Objects) -> list[dict[str, object]]:
    """Each object as COCO's run lengths."""
    numbers = objects.as_map()
    encoded: list[dict[str, object]] = [
        coco.encode(np.asfortranarray(numbers == number, np.uint8)) for number in range(1, len(objects.classes) + 1)
    ]
    return encoded


@pytest.mark.parametrize("above", [0.5, 0.75])
def test_matching_finds_what_is_above_one_half_by_the_overlaps_of_pycocotools(above: float) -> None:
    pairs = 0
    for truth, guess, instances in random_masks(4, 100):
        true = true_objects(truth, instances if pairs % 2 else None, THINGS)
        predicted = components(guess, THINGS).within(truth != IGNORED)
        if not len(true.classes) or not len(predicted.classes):
            continue
        overlaps = coco.iou(rle(predicted), rle(true), [0] * len(true.classes))
        expected = {
            (int(t) + 1, int(p) + 1): overlaps[p, t]
            for p, t in np.argwhere(overlaps > above)
            if true.classes[t] == predicted.classes[p]
        }
        found = {(pair.true, pair.predicted): pair.iou for pair in match(true, predicted, above)}
        assert found == expected
        pairs += len(found)
    assert pairs > 100


def test_overlap_decides_and_classes_do_not_mix() -> None:
    true = components(drawn("1111.3 1111.3 ...... 111..3"), THINGS)
    predicted = components(drawn(".1111. .1111. ...... 311..3"), THINGS)
    # 6 of 10 pixels; 2 of 3; the last 3; and a part of the second one that was called another class.
    assert match(true, predicted, 0.5) == [Pair(1.0, 4, 4), Pair(2 / 3, 2, 2), Pair(0.6, 1, 1)]
    assert match(true, predicted, 0.6) == [Pair(1.0, 4, 4), Pair(2 / 3, 2, 2)]  # above, not at


def test_each_object_once_and_of_equal_overlaps_the_first() -> None:
    overlapping = [Pair(0.6, 2, 1), Pair(0.6, 1, 1), Pair(0.7, 3, 2), Pair(0.8, 3, 3), Pair(0.3, 2, 2)]
    assert one_to_one(overlapping, 0.3) == [Pair(0.8, 3, 3), Pair(0.6, 1, 1)]
    assert one_to_one(overlapping, 0.2) == [Pair(0.8, 3, 3), Pair(0.6, 1, 1), Pair(0.3, 2, 2)]


def test_more_than_half_outside_is_mostly_outside() -> None:
    objects = components(drawn("1111..3333"), THINGS)
    known = drawn("##..11###.") != IGNORED
    assert objects.areas(known).tolist() == [0, 2, 1]
    assert objects.mostly_outside(known).tolist() == [False, False, True]
    assert objects.within(known).as_map().tolist() == drawn("..11.....2").tolist()


@pytest.mark.parametrize("at_once", [1, 7, 40])
def test_few_pixels_at_once_give_the_same(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects, areas, positions and pairs do not depend on how many pixels are looked through together."""
    draw = np.random.default_rng(2)
    truth, guess = (np.kron(draw.integers(0, 3, (6, 9)), np.ones((2, 2))).astype(np.uint8) for _ in range(2))
    truth[draw.random(truth.shape) < 0.1] = IGNORED
    instances = draw.integers(0, 4, truth.shape).astype(np.uint16)

    def everything() -> list[list[object]]:
        objects = true_objects(truth, instances, [1, 2]), components(guess, [1, 2])
        known = truth != IGNORED
        found: list[list[object]] = [list(match(objects[0], objects[1].within(known), 0.05))]
        for one in objects:
            found += [one.as_map().tolist(), one.areas().tolist(), one.areas(known).tolist(), one.classes.tolist()]
            found += [one.first_indices().tolist(), one.mostly_outside(known).tolist()]
        return found

    whole = everything()
    monkeypatch.setattr("pixelproof.scoring.objects.AT_ONCE", at_once)
    assert everything() == whole and len(whole[0]) > 1
