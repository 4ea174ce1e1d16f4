"""Under every step, labels, instances and pixels stay together; ignored pixels stay ignored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelproof.augmentation.apply import FUNCTIONS, apply
from pixelproof.augmentation.policies import POLICIES
from pixelproof.augmentation.view import Around, View
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array
from tests.pixelproof.augmentation.scenes import STEPS, THINGS, scene, step, steps

GEOMETRY = ("scale", "crop", "flip", "rotate", "perspective", "grid_shuffle", "cutout")
OBJECTS = ("move_object", "scale_object", "turn_object", "remove_object", "paste")
LIGHT = tuple(dict.fromkeys(each["name"] for each in STEPS if each["name"] not in GEOMETRY + OBJECTS))
seeds = st.integers(0, 2**31)


def around(size: tuple[int, int] | None = None, with_instances: bool = True) -> Around:
    """What steps may know, with scenes to paste from."""
    return Around(size, THINGS, (0.4, 0.4, 0.1, 0.1), 50, lambda index: scene(index, with_instances=with_instances))


def test_every_step_is_tried() -> None:
    named = {type(step(**settings)) for settings in STEPS}
    assert named == set(FUNCTIONS)


@pytest.mark.parametrize("settings_of", STEPS, ids=str)
@settings(max_examples=12, deadline=None)
@given(seed=seeds, size=st.none() | st.tuples(st.integers(1, 60), st.integers(1, 60)), with_instances=st.booleans())
def test_what_comes_out_is_a_view(
    settings_of: dict[str, Any], seed: int, size: tuple[int, int] | None, with_instances: bool
) -> None:
    """Of the asked size; each instance has the class it had; the input is not written to; the same seed repeats."""
    view = scene(seed, with_instances=with_instances)
    for array in (view.image, view.mask, view.instances):
        if array is not None:
            array.setflags(write=False)
    found, again = (
        apply([step(**settings_of)], view, np.random.default_rng(seed), around(size, with_instances)) for _ in range(2)
    )
    width, height = size or view.size
    assert found.image.shape == (height, width, 3) and found.mask.shape == (height, width)
    assert found.image.dtype == found.mask.dtype == np.uint8 and found.image.flags.c_contiguous
    assert np.array_equal(found.image, again.image) and np.array_equal(found.mask, again.mask)
    assert set(np.unique(found.mask)) <= {0, 1, *THINGS, IGNORE}
    assert (found.instances is None) == (view.instances is None)
    if found.instances is None or view.instances is None:
        return
    assert found.instances.shape == (height, width) and found.instances.dtype == np.uint16
    assert (found.instances[found.mask == IGNORE] == 0).all()
    for number in np.unique(found.instances[found.instances > 0]):
        classes = np.unique(found.mask[found.instances == number])
        assert len(classes) == 1 and classes[0] in THINGS
        if (view.instances == number).any():
            assert classes[0] == view.mask[view.instances == number][0]


@pytest.mark.parametrize("settings_of", steps(*GEOMETRY), ids=str)
@settings(max_examples=12, deadline=None)
@given(seed=seeds)
def test_labels_go_where_their_pixels_go(settings_of: dict[str, Any], seed: int) -> None:
    """Each instance is one pixel, so it says where a pixel comes from: label and colour are those of that place.

    Colours are a ramp, which interpolation hardly changes.
    """
    rows, columns = np.mgrid[:48, :64]
    mask = np.random.default_rng(seed).choice(np.array([0, 1, 2, IGNORE], np.uint8), (48, 64))
    image = np.stack([columns * 4, rows * 4, np.full_like(rows, 200)], axis=2).astype(np.uint8)
    view = View(image, mask, (rows * 64 + columns + 1).astype(np.uint16))
    found = apply([step(**settings_of)], view, np.random.default_rng(seed), around())
    assert found.instances is not None
    inside = found.instances > 0
    assert (found.mask[~inside] == IGNORE).all() and inside.any()
    assert np.array_equal(found.mask[inside], mask.ravel()[found.instances[inside].astype(int) - 1])
    within = inside & (found.image[..., 2] == 200)  # not mixed with what is outside
    came_from = found.instances[within].astype(int) - 1
    expected: Array = np.stack([came_from % 64 * 4, came_from // 64 * 4], axis=1)
    shift = found.image[within][:, :2].astype(int) - expected
    assert np.abs(shift).max(initial=0) <= 4  # pixels are 4 apart; the nearest centre is at most half of that away
    if within.sum() > 500 and settings_of["name"] in ("rotate", "perspective"):
        assert np.abs(shift.mean(axis=0)).max() < 0.25  # and no side is preferred


@pytest.mark.parametrize("settings_of", steps(*LIGHT), ids=str)
@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_colours_change_no_label(settings_of: dict[str, Any], seed: int) -> None:
    view = scene(seed)
    found = apply([step(**settings_of)], view, np.random.default_rng(seed), around())
    assert np.array_equal(found.mask, view.mask) and found.instances is not None and view.instances is not None
    assert np.array_equal(found.instances, view.instances)


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=8, deadline=None)
@given(seed=seeds, with_instances=st.booleans())
def test_every_policy_gives_labelled_images(name: str, seed: int, with_instances: bool) -> None:
    policy = [step(**entry) for entry in POLICIES[name]]
    view = scene(seed, with_instances=with_instances)
    found = apply(policy, view, np.random.default_rng(seed), around((24, 20), with_instances))
    assert found.image.shape == (20, 24, 3) and set(np.unique(found.mask)) <= {0, 1, *THINGS, IGNORE}
    assert (found.instances is None) is not with_instances
