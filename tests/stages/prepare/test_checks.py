"""What is told from images alone, against slow and plain references."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixelproof.data.images import Array
from stages.prepare.checks import (
    ALIKE,
    BITS,
    Trace,
    difference_hash,
    edges,
    equal_images,
    looked,
    misfits,
    near_images,
    steepness,
    uneven_classes,
)
from stages.prepare.frozen import Frozen, image_digest, labels_digest
from tests.stages.prepare.planted import scene, similar

NAMES = ["ground", "grass", "roof"]


def traced(name: str, split: str, image: Array, mask: Array) -> Trace:
    """The trace of an image of this name."""
    state = Frozen(name, name, image_digest(image), labels_digest(mask, None, NAMES))
    return Trace(split, state, *looked(image, mask))


def many(count: int, splits: tuple[str, ...] = ("train", "val", "test")) -> list[Trace]:
    """Traces of scenes."""
    return [traced(f"s{n:03d}", splits[n % len(splits)], *scene(n)) for n in range(count)]


@given(arrays(np.uint8, (8, 9)))
def test_a_hash_says_where_it_grows_brighter(grey: Array) -> None:
    bits = "".join(str(int(grey[y, x + 1] > grey[y, x])) for y in range(8) for x in range(8))
    assert difference_hash(grey) == int(bits, 2)


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 2)))
def test_edges_are_where_a_neighbour_differs(mask: Array) -> None:
    height, width = mask.shape
    for y in range(height):
        for x in range(width):
            beside = [(y + b, x + a) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))]
            differs = any(0 <= v < height and 0 <= u < width and mask[v, u] != mask[y, x] for v, u in beside)
            assert edges(mask)[y, x] == differs


def test_gradients_are_ranked_within_the_image() -> None:
    image = np.zeros((48, 48, 3), np.uint8)
    image[:, 24:] = 200
    ranks = steepness(image).reshape(48, 48)
    assert ranks[:, 23:25].min() > ranks[:, :22].max()
    assert np.bincount(ranks.ravel(), minlength=256).tolist() == [9] * 256


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["train", "val", "test"])), max_size=9))
def test_equal_images_are_found_once(drawn: list[tuple[int, str]]) -> None:
    """Each image that stands in its split already is one pair; so is each split but the first that has a picture."""
    traces = [traced(f"{at}", split, *scene(number)) for at, (number, split) in enumerate(drawn)]
    pairs = equal_images(traces)
    assert all(pair.first.state.image == pair.second.state.image for pair in pairs)
    assert sum(not pair.across for pair in pairs) == len(drawn) - len(set(drawn))
    assert sum(pair.across for pair in pairs) >= len(set(drawn)) - len({number for number, _ in drawn})
    assert bool([pair for pair in pairs if pair.across]) == (len(set(drawn)) > len({number for number, _ in drawn}))


def test_near_images_are_those_that_a_plain_search_finds() -> None:
    traces = [*many(30), *(traced(f"t{n}", "test", similar(scene(n)[0]), scene(n)[1]) for n in range(0, 30, 2))]
    expected = set()
    for one, other in combinations(traces, 2):
        correlation = np.corrcoef(one.small.ravel(), other.small.ravel())[0, 1]
        if one.split != other.split and (one.hash ^ other.hash).bit_count() <= BITS and correlation >= ALIKE:
            expected.add(frozenset((one.id, other.id)))
    assert {frozenset((pair.first.id, pair.second.id)) for pair in near_images(traces)} == expected
    assert len(expected) >= 5


def test_flat_images_are_not_alike() -> None:
    """Their hashes are equal, and say nothing."""
    rng = np.random.default_rng(0)
    dark = [rng.integers(0, 3, (64, 64, 3), np.uint8) for _ in range(6)]
    black = [np.full((64, 64, 3), value, np.uint8) for value in (0, 9)]
    mask = np.zeros((64, 64), np.uint8)
    traces = [traced(f"{n}", ("train", "test")[n % 2], image, mask) for n, image in enumerate([*dark, *black])]
    assert near_images(traces) == []


def test_of_swapped_masks_most_are_found_and_of_others_none() -> None:
    traces = many(60)
    assert misfits(traces) == []
    swapped = list(traces)
    for at in range(0, 20, 2):
        swapped[at] = replace(traces[at], edges=traces[at + 1].edges)
        swapped[at + 1] = replace(traces[at + 1], edges=traces[at].edges)
    found = {(one.image.id, one.better.id) for one in misfits(swapped)}
    right = {(traces[at].id, traces[at ^ 1].id) for at in range(20)}
    assert found <= right and len(found) >= 14


def test_masks_of_images_that_are_all_alike_say_nothing() -> None:
    image, mask = scene(3)
    views = [np.clip(image.astype(int) + value, 0, 255).astype(np.uint8) for value in range(14)]
    assert misfits([traced(f"{at}", "train", view, mask) for at, view in enumerate(views)]) == []


def test_a_class_is_uneven_if_one_split_of_several_has_it() -> None:
    assert uneven_classes({"train": {"a": 1, "b": 2, "c": 0}, "val": {"a": 0, "b": 1, "c": 0}}) == [("a", "train")]
    assert uneven_classes({"train": {"a": 1}}) == []


@given(st.permutations(NAMES))
def test_digests_of_labels_know_classes_by_name(order: list[str]) -> None:
    mask = scene(1)[1]
    mask[:3] = 255
    moved = np.array([*(order.index(name) for name in NAMES), *[0] * 252, 255], np.uint8)[mask]
    assert labels_digest(moved, None, order) == labels_digest(mask, None, NAMES)
    assert (labels_digest(mask, None, order) == labels_digest(mask, None, NAMES)) == (order == NAMES)
    assert cv2.countNonZero(mask) and labels_digest(mask, mask.astype(np.uint16), NAMES) != labels_digest(
        mask, None, NAMES
    )
