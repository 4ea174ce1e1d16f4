"""Objects move with their labels, whole, in the right order; nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pixelproof.augmentation import objects
from pixelproof.augmentation.apply import apply
from pixelproof.augmentation.objects import Cut, nearest, put, things, whole
from pixelproof.augmentation.view import Around, View
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array
from tests.pixelproof.augmentation.scenes import THINGS, Given, changed, scene, step, steps

AROUND = Around(things=THINGS)
CROSS: Array = ndimage.generate_binary_structure(2, 1)


def box(left: int, top: int, side: int, label: int, number: int, view: View | None = None) -> View:
    """A view of ground 20x20, or a given one, with a box of one colour on it."""
    image = np.full((20, 20, 3), 50, np.uint8) if view is None else view.image.copy()
    mask: Array = np.zeros((20, 20), np.uint8) if view is None else view.mask.copy()
    instances = np.zeros((20, 20), np.uint16) if view is None or view.instances is None else view.instances.copy()
    part = slice(top, top + side), slice(left, left + side)
    image[part], mask[part], instances[part] = 100 + 40 * min(number, 3), label, number
    return View(image, mask, instances)


def spot(view: View, number: int) -> list[int]:
    """The first and last column and row of an instance, and its pixels."""
    assert view.instances is not None
    rows, columns = np.nonzero(view.instances == number)
    return [int(each) for each in (columns.min(), columns.max(), rows.min(), rows.max(), len(rows))]


def test_a_removed_object_leaves_background() -> None:
    """Over ground of one colour, inpainting gives that colour; the labels are the ground's."""
    found = changed(box(5, 6, 4, 2, 1), np.random.default_rng(0), AROUND, name="remove_object", area=0.5)
    assert (found.image == 50).all() and not found.mask.any()
    assert found.instances is not None and not found.instances.any()


def test_a_moved_object_is_where_it_was_drawn_to_be() -> None:
    """Drawn to be at column 12, row 3; its colour, label and instance go with it."""
    rng = Given(integers=[12, 3])
    found = changed(box(5, 6, 4, 2, 1), rng, AROUND, name="move_object", distance=1.0, area=0.5, order="front")
    expected = box(12, 3, 4, 2, 1)
    for before, after in ((expected.image, found.image), (expected.mask, found.mask)):
        assert np.array_equal(before, after)
    assert spot(found, 1) == [12, 15, 3, 6, 16]


@pytest.mark.parametrize(
    ("by", "order", "expected"),
    [
        (1.0, "front", [4, 11, 4, 11, 64]),  # twice as large, around its centre
        (1.0, "ground", [4, 11, 2, 9, 64]),  # or around where it stands: its last row stays
    ],
)
def test_a_scaled_object_grows_around_its_place(by: float, order: str, expected: list[int]) -> None:
    rng = Given(random=[0.0, 0.0, by])
    view = box(6, 6, 4, 2, 1)
    found = changed(view, rng, AROUND, name="scale_object", smallest=0.5, largest=2.0, area=0.5, order=order)
    assert spot(found, 1) == expected
    assert ((found.mask == 2) == (found.image[..., 0] == 140)).all()


def test_a_turned_object_turns() -> None:
    """A bar of 8x2 pixels, turned by a right angle: 2x8 around the same centre."""
    view = box(5, 5, 2, 2, 1)
    for left in (7, 9, 11):
        view = box(left, 5, 2, 2, 1, view)
    found = changed(
        view, Given(random=[0.0, 0.0, 1.0]), AROUND, name="turn_object", degrees=90.0, area=0.5, order="front"
    )
    assert spot(found, 1) == [8, 9, 2, 9, 16]
    assert (found.image[found.mask == 0] == 50).all()


def test_ground_order_is_behind_what_reaches_further_down() -> None:
    """A box moved onto another one: from above it hides it, by eye it is hidden by the one that is nearer."""
    view = box(10, 10, 6, 3, 2, box(2, 2, 4, 2, 1))
    for order, left, top, hidden in (("front", 9, 9, 9), ("ground", 9, 9, 0), ("ground", 9, 14, 6)):
        rng = Given(random=[0.0, 0.0], integers=[left, top])
        found = changed(view, rng, AROUND, name="move_object", distance=1.0, area=0.1, order=order)
        assert spot(found, 2)[4] == 36 - hidden, order
        assert spot(found, 1)[4] == 16 - (9 if not hidden else 0)
        assert found.instances is not None and (found.mask[found.instances == 1] == 2).all()


def test_a_turned_object_is_behind_what_reaches_further_down_than_it() -> None:
    """A bar of 14x2 pixels, turned upright, reaches row 16; a box below it reaches row 17, and hides its foot."""
    view = box(9, 14, 4, 3, 2)
    image, mask, instances = view.image, view.mask, view.instances
    assert instances is not None
    bar = slice(9, 11), slice(3, 17)
    image[bar], mask[bar], instances[bar] = 200, 2, 1
    for order, left in (("front", 16 - 6), ("ground", 16)):
        rng = Given(random=[0.0, 0.0, 1.0])
        found = changed(view, rng, AROUND, name="turn_object", degrees=90.0, area=0.5, order=order)
        assert spot(found, 2)[4] == left, order


def test_objects_without_numbers_stay_objects() -> None:
    """A pasted object with a number would make all others uncounted; one on an image without objects has one."""
    none = np.zeros((20, 20), np.uint16)
    view, other = box(2, 2, 4, 2, 1), box(9, 6, 4, 3, 5)
    for numbers, expected in ((view.instances, [0, 1, 2]), (none, [0, 1, 2])):
        found = put(View(view.image, view.mask, numbers), cut_of(other), "front", THINGS)
        assert np.unique(things(found, THINGS).numbers).tolist() == expected
        assert found.instances is not None and found.instances.any() == (numbers is not none)
    bare = View(view.image, np.zeros((20, 20), np.uint8), none)
    assert spot(put(bare, cut_of(other), "front", THINGS), 1)[4] == 16


def cut_of(view: View) -> Cut:
    """The one object of a view, cut out to be pasted."""
    found = things(view, THINGS)
    number = int(found.numbers.max())
    return replace(objects.cut(view, found, number, found.numbers == number), number=0)


def test_only_whole_objects_move() -> None:
    """Not those cut off by the edge, beside another object, or beside ignored pixels, behind which they may go on."""
    alone = box(5, 6, 4, 2, 1)
    ignored = View(alone.image, np.where(np.arange(20)[:, None] == 5, IGNORE, alone.mask), alone.instances)
    cases = {
        "alone": (alone, True),
        "cut off": (box(0, 6, 4, 2, 1), False),
        "touched": (box(9, 6, 4, 3, 2, alone), False),
        "near": (box(10, 6, 4, 3, 2, alone), True),
        "hidden": (ignored, False),
    }
    for name, (view, expected) in cases.items():
        found = things(view, THINGS)
        assert whole(view, found, np.asarray(view.instances == 1)) is expected, name


def test_objects_are_instances_or_components() -> None:
    """Two boxes of a class that touch are two instances, or one component; other classes are none."""
    view = box(9, 6, 4, 2, 7, box(5, 6, 4, 2, 4))
    assert np.unique(things(view, THINGS).numbers).tolist() == [0, 4, 7]
    assert np.unique(things(View(view.image, view.mask), THINGS).numbers).tolist() == [0, 1]
    assert things(box(5, 6, 4, 1, 1), THINGS).numbers.any() == np.False_
    two = View(*(lambda v: (v.image, v.mask))(box(14, 14, 4, 3, 1, box(2, 2, 4, 2, 1))))
    found = things(two, THINGS)
    assert found.labels.tolist() == [0, 2, 3] and np.bincount(found.numbers.ravel()).tolist() == [368, 16, 16]


def test_the_hole_takes_the_nearest_backgrounds_class() -> None:
    """SciPy's exact distances agree, but where two are nearly as near."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 5, (40, 40)).astype(np.uint8)
    known = rng.random((40, 40)) < 0.1
    distance, index = ndimage.distance_transform_edt(~known, return_indices=True)
    found = nearest(mask, known)
    assert (found == mask[tuple(index)]).mean() > 0.8
    for row, column in np.argwhere(~known):
        same = np.argwhere(known & (mask == found[row, column])) - (row, column)
        assert np.hypot(*same.T).min() <= distance[row, column] * 1.1 + 0.1


def test_a_hole_is_not_filled_from_other_objects() -> None:
    """Beside a red box stands a removed one: no red runs into the ground."""
    view = box(5, 6, 4, 2, 1)
    view.image[6:10, 9:13] = (255, 0, 0)
    view.mask[6:10, 9:13] = 3
    assert view.instances is not None
    view.instances[6:10, 9:13] = 2
    found = objects.without(view, things(view, THINGS), view.instances == 1)
    assert found is not None and (found.image[:, :9] == 50).all() and (found.mask[:, :9] == 0).all()
    assert np.array_equal(found.image[:, 9:], view.image[:, 9:])


def test_without_background_nothing_is_removed() -> None:
    view = box(0, 0, 20, 2, 1)
    found = changed(view, np.random.default_rng(0), AROUND, name="remove_object", area=1.0)
    assert np.array_equal(found.image, view.image) and np.array_equal(found.mask, view.mask)


def test_rare_classes_are_taken_first() -> None:
    """One box of a class that is 9 times rarer than that of three others: 9 of 10 removals take it."""
    view = box(2, 2, 4, 3, 1)
    for number, (left, top) in enumerate(((12, 2), (2, 12), (12, 12)), 2):
        view = box(left, top, 4, 2, number, view)
    around, rng = Around(things=THINGS, shares=(0.0, 0.0, 0.9, 0.1)), np.random.default_rng(0)
    taken = [not (changed(view, rng, around, name="remove_object", area=0.5).mask == 3).any() for _ in range(300)]
    assert 0.85 < np.mean(taken) < 0.95


def test_pasted_objects_are_the_other_images() -> None:
    """Two whole ones and one cut off: two are pasted, with new instances, at other places from above."""
    other = box(0, 0, 5, 2, 3, box(3, 8, 4, 2, 1, box(12, 13, 5, 3, 2)))
    view = box(8, 8, 4, 2, 65535)
    around = Around(None, THINGS, (), 9, lambda index: other)
    settings_of: dict[str, Any] = {"name": "paste", "count": 9, "smallest": 1.0, "largest": 1.0, "area": 0.5}
    draws: dict[str, Any] = {"random": [0.0, 0.9, *[0.0] * 5], "integers": [4, 9, 1, 2, 14, 1]}
    rng = Given(**{name: list(values) for name, values in draws.items()})
    found = changed(view, rng, around, order="front", **settings_of)
    assert found.instances is not None
    numbers, counts = np.unique(found.instances, return_counts=True)
    assert counts[1:].tolist() == [16, 25, 16] and numbers.tolist() == [0, 1, 2, 65535]
    assert spot(found, 1) == [1, 4, 2, 5, 16] and spot(found, 2) == [14, 18, 1, 5, 25]
    assert (found.image[found.instances == 2] == 180).all() and (found.mask[found.instances == 2] == 3).all()
    eye = changed(view, Given(**draws), around, order="ground", **settings_of)
    assert spot(eye, 2)[2:] == [13, 17, 25]  # at its own height


def test_ignored_pixels_are_in_front() -> None:
    view = box(5, 6, 4, 2, 1)
    piece = Cut(view.__class__(view.image[6:10, 5:9], view.mask[6:10, 5:9]), 2, 1, 10, 10)
    mask = view.mask.copy()
    mask[12] = IGNORE
    found = put(View(view.image, mask, view.instances), piece, "front", THINGS)
    assert (found.mask[12] == IGNORE).all() and np.array_equal(found.image[12], view.image[12])
    assert (found.mask[[10, 11, 13], 10:14] == 2).all()


@pytest.mark.parametrize(
    "settings_of", steps("move_object", "scale_object", "turn_object", "remove_object", "paste"), ids=str
)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_nothing_changes_outside_hole_and_target(settings_of: dict[str, Any], seed: int) -> None:
    """One object explains all changes: those where it was and a pixel around (the hole), and those where it is now.

    Pixels of other objects change in the target alone, and ignored ones nowhere. What is pasted has a new number.
    """
    view = scene(seed)
    found = apply([step(**settings_of)], view, np.random.default_rng(seed), Around(None, THINGS, (), 50, scene))
    assert view.instances is not None and found.instances is not None
    changes = (view.image != found.image).any(axis=2) | (view.mask != found.mask) | (view.instances != found.instances)
    holes = [np.zeros(changes.shape, bool)]
    targets = [~np.isin(found.instances, view.instances)]
    if settings_of["name"] != "paste":
        assert not targets[0].any()
        for number in range(1, 7):
            was = view.instances == number
            ring = ndimage.binary_dilation(was, CROSS)
            holes.append(ring & ((view.instances == 0) | was) & (view.mask != IGNORE))
            targets.append((found.instances == number) & (view.mask != IGNORE))
    assert any(not (changes & ~(hole | target)).any() for hole, target in zip(holes, targets, strict=True))


def test_most_scenes_have_an_object_to_move() -> None:
    """Otherwise the test above would show nothing."""
    settings_of = steps("move_object")[0]
    views = [scene(seed) for seed in range(60)]
    found = [apply([step(**settings_of)], view, np.random.default_rng(1), AROUND) for view in views]
    assert sum(not np.array_equal(a.mask, b.mask) for a, b in zip(views, found, strict=True)) > 15


def test_a_large_shape_is_cut_as_opencv_draws_it() -> None:
    """A disc keeps its shape on its way: every pixel that moved is one of the disc's."""
    mask: Array = np.zeros((64, 64), np.uint8)
    cv2.circle(mask, (20, 20), 9, 2, -1)
    image = np.where(mask[..., None] == 2, np.uint8(200), np.uint8(60)).repeat(3, axis=2)
    rng = Given(integers=[40, 30])
    found = changed(View(image, mask), rng, AROUND, name="move_object", distance=1.0, area=0.5, order="front")
    expected: Array = np.zeros((64, 64), np.uint8)
    cv2.circle(expected, (49, 39), 9, 2, -1)
    assert np.array_equal(found.mask, expected) and np.array_equal(found.image[..., 0] == 200, expected == 2)
