"""What `init` proposes for images and objects of some sizes, and what it says about them."""

from __future__ import annotations

import pytest

from commands._shape import Seen, covers, propose, trained_size
from commands._shown import Shown
from pixelproof.core.errors import ParamsError
from pixelproof.data.shape import Shape

PHOTO = (6000, 4000)


def objects(size: tuple[int, int], *sides: int) -> list[Seen]:
    """Squares in images of a size."""
    return [(size, float(side * side)) for side in sides]


def test_small_images_of_one_size_stay_as_they_are() -> None:
    found = propose([(200, 100)] * 5, {"hut": objects((200, 100), 5, 9, 30)})
    assert (found.mode, found.width, found.height, found.overlap) == ("stretch", 200, 100, 0)
    assert found.reasons == [
        "prepare.shape: {mode: stretch, width: 200, height: 100, overlap: 0}: all 5 images are 200x100: "
        "nothing is scaled",
        "a pixel then covers one pixel of the image, as it was labelled",
    ]


def test_tiny_images_are_not_squashed() -> None:
    found = propose([(7, 5)] * 12, {})
    assert (found.mode, found.width, found.height) == ("fit", 16, 16)
    assert found.reasons[0].endswith(
        "all 12 images are 7x5, below 16 pixels: the aspect is kept, and the rest is padded"
    )
    assert "a pixel then covers 0.4" in found.reasons[1]


def test_small_images_of_several_sizes_keep_their_aspects() -> None:
    found = propose([(400, 300), (300, 400), (200, 150), (160, 160)], {})
    assert (found.mode, found.width, found.height) == ("fit", 400, 400)
    assert "a pixel then covers 0.4 to 1 pixels of the image in side (median 0.75)" in found.reasons


def test_large_images_are_scaled_down_only_while_objects_stay_legible() -> None:
    """2048x1024 to 512x256 is by 4: of 140 pixels, 35 are left; of 50, twelve and a half."""
    size = (2048, 1024)
    found = propose([size] * 3, {"hut": objects(size, 20, 140, 300), "lake": objects(size, 900)})
    assert (found.mode, found.width, found.height) == ("fit", 512, 256)
    assert "the median hut still has 35 in side" in found.reasons[0] and "covers 4 pixels" in found.reasons[1]
    found = propose([size] * 3, {"hut": objects(size, 20, 50, 300), "lake": objects(size, 900)})
    assert found.mode == "tile" and "scaled to 512, the median hut would be 12.5 pixels in side" in found.reasons[0]


def test_a_tile_shows_objects_with_what_is_around_them() -> None:
    """Nine huts of ten are of 100 pixels or less: 256; where they are of 200, 512."""
    for side, tile in ((100, 256), (200, 512)):
        found = propose([PHOTO], {"hut": objects(PHOTO, *[side] * 10)})
        assert (found.mode, found.width, found.height, found.overlap) == ("tile", tile, tile, tile // 8)
        assert found.shape == Shape(mode="tile", width=tile, height=tile, overlap=tile // 8)


def test_without_objects_large_images_are_not_shrunk() -> None:
    found = propose([PHOTO], {})
    assert found.mode == "tile" and "details would be lost" in found.reasons[0]


def test_classes_too_small_to_learn_are_one_warning() -> None:
    found = propose([PHOTO], {"nail": objects(PHOTO, 3, 7, 90), "hut": objects(PHOTO, 8, 8), "pin": objects(PHOTO, 2)})
    assert [line for line in found.reasons if line.startswith("warning")] == [
        "warning: too small to learn, with a median side below 8 pixels: pin (2.0), nail (7.0); prepare.shape decides"
    ]


def test_what_a_pixel_covers() -> None:
    for mode, side in (("stretch", 2**0.5), ("fit", 2.0), ("crop", 1.0), ("tile", 1.0)):
        shape = Shape.model_validate({"mode": mode, "width": 100, "height": 100, "overlap": 0})
        assert covers((200, 100), shape) == pytest.approx(side)


def test_params_of_an_earlier_release_are_named() -> None:
    shape = {"mode": "tile", "width": 64, "height": 32, "overlap": 0}
    assert trained_size({"prepare": {"shape": shape}}) == (32, 64)
    said = (
        r"prepare.width: found a key .*; write prepare.shape: {mode: stretch, width: 64, height: 32, overlap: 0}, which"
    )
    with pytest.raises(ParamsError, match=said):
        trained_size({"prepare": {"width": 64, "height": 32}})


def test_a_network_is_shown_images_as_it_learnt_them() -> None:
    """A photograph of 200x100, as height and width, for frames of 64x48."""
    found = {
        mode: Shown.learnt(Shape.model_validate({"mode": mode, "width": 64, "height": 48, "overlap": 0})).of(100, 200)
        for mode in ("stretch", "fit", "crop", "tile")
    }
    assert found == {"stretch": (48, 96), "fit": (32, 64), "crop": (48, 96), "tile": (100, 200)}
