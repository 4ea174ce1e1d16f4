"""Each step against a case worked out by hand."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pixelproof.augmentation import colour, geometry
from pixelproof.augmentation.apply import apply
from pixelproof.augmentation.view import Around, View
from pixelproof.data.dataset import IGNORE
from pixelproof.data.images import Array
from tests.pixelproof.augmentation.scenes import Given, changed, grey, scene, step

I = IGNORE  # noqa: E741
QUARTERS = [[1, 2], [3, 4]]


def pixel(red: int, green: int, blue: int) -> View:
    """An image of one colour."""
    return View(np.full((2, 2, 3), (red, green, blue), np.uint8), np.zeros((2, 2), np.uint8))


@pytest.mark.parametrize(("axis", "expected"), [("horizontal", [[2, 1], [4, 3]]), ("vertical", [[3, 4], [1, 2]])])
def test_flip(axis: str, expected: list[list[int]]) -> None:
    found = changed(grey(QUARTERS), Given(), name="flip", axis=axis)
    assert found.mask.tolist() == expected and found.image[..., 1].tolist() == expected


def test_scale_enlarges_a_window() -> None:
    """By 2: the window of 2x2 whose corner is drawn at column 1, row 0, each label on 2x2 pixels."""
    view = grey(np.arange(16).reshape(4, 4))
    rng = Given(random=[0.0, 1.0, 1.0], integers=[1, 0])
    found = changed(view, rng, name="scale", smallest=0.5, largest=2.0, rare=0.0)
    assert found.mask.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [5, 5, 6, 6], [5, 5, 6, 6]]


def test_scale_shrinks_to_a_part() -> None:
    """By 0.5 to 4x4 of 4x4: 2x2 pixels, drawn to be at column 2 and row 1 (a window that begins at -4 and -2)."""
    view = grey(np.full((4, 4), 7))
    rng = Given(random=[0.0, 0.0, 1.0], integers=[-4, -2])
    found = changed(view, rng, name="scale", smallest=0.5, largest=2.0, rare=0.0)
    assert found.mask.tolist() == [[I, I, I, I], [I, I, 7, 7], [I, I, 7, 7], [I, I, I, I]]
    assert found.image[..., 0].tolist() == [[0, 0, 0, 0], [0, 0, 7, 7], [0, 0, 7, 7], [0, 0, 0, 0]]


def test_crops_are_of_the_size_of_training_and_hold_rare_classes() -> None:
    """One pixel in 1024 is of the class that is 99 times rarer: 99 in 100 crops hold it, of 64 places each."""
    mask: Array = np.zeros((32, 32), np.uint8)
    mask[20, 3] = 1
    view, rng = grey(mask, mask), np.random.default_rng(0)
    around = Around((8, 6), shares=(0.99, 0.01))
    settings: dict[str, Any] = {"name": "scale", "smallest": 1.0, "largest": 1.0}
    for rare, least, most in ((1.0, 0.97, 1.0), (0.0, 0.0, 0.2)):
        found = [changed(view, rng, around, rare=rare, **settings) for _ in range(400)]
        assert {each.mask.shape for each in found} == {(6, 8)}
        assert least <= np.mean([(each.mask == 1).any() for each in found]) <= most
    assert changed(grey(mask, np.full_like(mask, I)), rng, around, rare=1.0, **settings).size == (8, 6)


def test_crop_scales_a_part_back() -> None:
    """A quarter of the area of 4x4 is 2x2."""
    view = grey(np.arange(16).reshape(4, 4))
    found = changed(view, Given(random=[0.0, 0.0], integers=[2, 1]), name="crop", area=0.25)
    assert found.mask.tolist() == [[6, 6, 7, 7], [6, 6, 7, 7], [10, 10, 11, 11], [10, 10, 11, 11]]


def test_a_policy_without_scale_crops_or_fills_up() -> None:
    view = grey(np.arange(16).reshape(4, 4))
    found = apply([], view, Given(integers=[1, -1]), Around((2, 5)))  # type: ignore[arg-type]
    assert found.mask.tolist() == [[I, I], [1, 2], [5, 6], [9, 10], [13, 14]]


def test_rotate_by_a_right_angle() -> None:
    """Anticlockwise, as NumPy's; by 45 degrees, the corners come from outside."""
    view = scene(5, 24, 24)
    found = geometry.turned(view, 90)
    for before, after in ((view.image, found.image), (view.mask, found.mask), (view.instances, found.instances)):
        assert before is not None and after is not None and np.array_equal(np.rot90(before), after)
    found = changed(view, Given(random=[0.0, 1.0]), name="rotate", degrees=45.0)
    assert (found.mask[[0, 0, -1, -1], [0, -1, 0, -1]] == I).all() and not found.image[0, 0].any()
    assert found.mask[12, 12] in view.mask[11:14, 11:14]


def test_perspective_takes_the_corners_where_they_are_drawn() -> None:
    """Upper corners move in by a quarter of the width: the upper edge is half as long, the lower one as before."""
    view = grey(np.full((64, 64), 9))
    shifts: Array = np.array([[0.25, 0], [0.25, 0], [0, 0], [0, 0]]) / 0.3
    found = changed(view, Given(random=[0.0, shifts]), name="perspective", shift=0.3)
    widths = (found.mask == 9).sum(axis=1)
    assert [int(widths[row]) for row in (0, 63)] == [32, 64] and (np.diff(widths) >= 0).all()
    assert ((found.mask == 9) | (found.mask == I)).all()


def test_perspective_keeps_straight_lines_and_moves_their_middle() -> None:
    """The diagonals of a square cross at the point where those of the quadrilateral do: here at a third of the height.

    Upper edge from 0.25 to 0.75, lower edge from 0 to 1: they cross where the distances are as 0.5 to 1.
    """
    rows, columns = np.mgrid[:96, :96]
    view = grey((rows >= 48) * 2 + (columns >= 48))
    found = geometry.tilted(view, [[0.25, 0], [0.75, 0], [1, 1], [0, 1]])
    assert found.mask[31, 47] == 0 and found.mask[31, 48] == 1 and found.mask[32, 47] == 2 and found.mask[32, 48] == 3


def test_grid_shuffle_exchanges_cells() -> None:
    """5x4 pixels in 2x2 cells of 2x2; the fifth column stays."""
    view = grey([[1, 1, 2, 2, 9], [1, 1, 2, 2, 9], [3, 3, 4, 4, 9], [3, 3, 4, 4, 9]])
    found = changed(view, Given(permutation=[[3, 0, 1, 2]]), name="grid_shuffle", rows=2, columns=2)
    assert found.mask.tolist() == [[4, 4, 1, 1, 9], [4, 4, 1, 1, 9], [2, 2, 3, 3, 9], [2, 2, 3, 3, 9]]
    assert np.array_equal(found.image[..., 0], found.mask)


def test_cutout_hides_and_ignores() -> None:
    """One rectangle of 2x1 pixels, half of it outside."""
    rng = Given(random=[0.0, 1.0, 0.5], integers=[1, -1, 1])
    found = changed(grey(np.full((2, 4), 5)), rng, name="cutout", count=1, side=0.5)
    assert found.mask.tolist() == [[5, 5, 5, 5], [I, 5, 5, 5]]
    assert found.image[..., 2].tolist() == [[5, 5, 5, 5], [0, 5, 5, 5]]


@pytest.mark.parametrize(
    ("settings", "draws", "before", "after"),
    [
        ({"name": "brightness", "by": 0.5}, [1.0], (100, 200, 3), (150, 255, 5)),  # 4.5 becomes 5
        ({"name": "brightness", "by": 0.5}, [0.0], (100, 200, 3), (50, 100, 2)),
        ({"name": "contrast", "by": 0.5}, [1.0], (10, 20, 60), (0, 15, 75)),  # the mean is 30
        ({"name": "saturation", "by": 1.0}, [0.0], (255, 0, 0), (76, 76, 76)),  # 0.299 x 255
        ({"name": "saturation", "by": 0.5}, [1.0], (100, 100, 100), (100, 100, 100)),
        ({"name": "hue", "degrees": 120.0}, [1.0], (200, 40, 10), (10, 200, 40)),
        ({"name": "hue", "degrees": 60.0}, [1.0], (99, 99, 99), (99, 99, 99)),
        ({"name": "gamma", "by": 1.0}, [1.0], (0, 51, 255), (0, 10, 255)),  # 51 is a fifth: 255 / 25
        ({"name": "gamma", "by": 1.0}, [0.0], (0, 51, 255), (0, 114, 255)),  # 255 x 0.4472
        ({"name": "color", "brightness": 0.5, "contrast": 0.0, "saturation": 0.0}, [1.0], (100, 200, 3), (150, 255, 5)),
        # 100 x 1.5, 20 x 1.5, 0: the mean is 60; twice the distance from it
        ({"name": "color", "brightness": 0.5, "contrast": 0.9, "saturation": 0.0}, [1.0], (100, 20, 0), (231, 3, 0)),
    ],
)
def test_colours(settings: dict[str, Any], draws: list[float], before: Any, after: Any) -> None:
    found = changed(pixel(*before), Given(random=[0.0, *draws, *draws, *draws]), **settings)
    assert found.image[0, 0].tolist() == list(after) and (found.image == found.image[0, 0]).all()


def test_lighting_adds_one_colour() -> None:
    """One deviation along the first direction, brightness: 255 x 0.2175 x (-0.5675, -0.5808, -0.5836) x -1."""
    rng = Given(standard_normal=[-1.0, 0.0, 0.0])
    found = changed(pixel(100, 100, 100), rng, name="lighting", std=1.0)
    assert found.image[1, 1].tolist() == [131, 132, 132]


def test_shuffle_channels() -> None:
    rng = Given(permutation=[[2, 0, 1]])
    assert changed(pixel(1, 2, 3), rng, name="shuffle_channels").image[0, 0].tolist() == [3, 1, 2]


def test_noise_has_the_drawn_deviation() -> None:
    view = grey(np.full((200, 200), 128))
    found = changed(view, Given(random=[0.0, 0.5], standard_normal=[noise()]), name="noise", std=0.1)
    difference = found.image.astype(int) - 128
    assert abs(difference.std() - 255 * 0.05) < 0.1 and abs(difference.mean()) < 0.1
    assert np.corrcoef(difference[..., 0].ravel(), difference[..., 1].ravel())[0, 1] < 0.02


def noise() -> Array:
    """As the step asks for it."""
    return np.random.default_rng(0).standard_normal((200, 200, 3), np.float32)


def test_blur_is_a_gaussian() -> None:
    view = scene(3, 48, 48)
    found = changed(view, Given(random=[0.0, 1.0]), name="blur", sigma=2.0)
    expected = ndimage.gaussian_filter(view.image.astype(float), (2, 2, 0), mode="mirror")
    assert np.abs(found.image - expected).max() < 2


def test_jpeg_is_that_of_the_drawn_quality() -> None:
    """Pillow decodes its own of the same quality to nearly the same; not with red and blue exchanged."""
    rows, columns = np.mgrid[:48, :48]
    view = View(np.stack([rows * 5, columns * 5, rows * 0], axis=2).astype(np.uint8), np.zeros((48, 48), np.uint8))
    found = changed(view, Given(integers=[30]), name="jpeg", quality=20)
    file = io.BytesIO()
    Image.fromarray(view.image).save(file, "JPEG", quality=30)
    expected = np.asarray(Image.open(file)).astype(int)
    assert (found.image != view.image).any() and np.abs(found.image - expected).mean() < 2


def test_steps_are_taken_as_often_as_they_say_and_by_themselves() -> None:
    """Two flips with p = 0.5: both, one or none in a quarter, a half, a quarter of the draws."""
    policy = [step(name="flip", p=0.5, axis="horizontal"), step(name="flip", p=0.5, axis="vertical")]
    view, rng = grey(QUARTERS), np.random.default_rng(0)
    found = [str(apply(policy, view, rng, Around()).mask.tolist()) for _ in range(800)]
    counts = [found.count(each) / 800 for each in dict.fromkeys(found)]
    assert len(counts) == 4 and all(abs(count - 0.25) < 0.05 for count in counts)
    assert colour.factor(0.5, Given(random=[0.5])) == 1  # type: ignore[arg-type]
