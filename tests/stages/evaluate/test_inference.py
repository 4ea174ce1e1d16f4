"""Windows and views against what is worked out by hand, and against MMSegmentation's own sliding inference."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.models.segmentors import EncoderDecoder
from numpy.typing import NDArray

from pixelproof.core.errors import ParamsError
from pixelproof.core.files import write_json
from pixelproof.core.params import check
from pixelproof.data.grid import Grid
from pixelproof.data.shape import Shape
from pixelproof.nn.build import build_model, save_weights
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.evaluate.augmented import augmented, flipped
from stages.evaluate.params import Augmentation, Inference
from stages.evaluate.predict import Tiles, joined, load_network, prediction, predictor, through, window_size
from stages.evaluate.slide import Image, Network, bands, slide

TURNED: dict[str, Any] = {"flips": [], "scales": [1.0]}
FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
AS_IT_IS: dict[str, Any] = {"window": 0, "stride": 1, "tta": {"flips": [], "scales": [1.0]}}


def as_tensor(images: list[Image]) -> torch.Tensor:
    """Pixels as numbers, NCHW."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()


def views(flips: list[Any], scales: list[float]) -> Augmentation:
    """Views of an image that is not turned."""
    return Augmentation(flips=flips, scales=scales)


def red(images: list[Image]) -> torch.Tensor:
    """A network that sees nothing but the pixel itself: its red and its green, as the logits of two classes."""
    return as_tensor(images)[:, :2]


def column(images: list[Image]) -> torch.Tensor:
    """A network that says where in its input a pixel is: the column, counted from the left of what it is shown."""
    height, width = images[0].shape[:2]
    return torch.arange(width, dtype=torch.float32).expand(len(images), 1, height, width)


def constant(images: list[Image]) -> torch.Tensor:
    """A network that says the same of every pixel."""
    return torch.tensor([3.0, 1.0])[:, None, None].expand(len(images), 2, *images[0].shape[:2])


def noise(*shape: int) -> NDArray[np.uint8]:
    """An image, or several."""
    return np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)


# --- windows ---------------------------------------------------------------------------------------------------------


def test_windows_end_with_the_image() -> None:
    grid = Grid(4, 6, 3, 4)
    assert grid.tops(10) == [0, 3, 6] and grid.lefts(10) == [0, 4]
    assert grid.tops(11) == [0, 3, 6, 7] and grid.lefts(11) == [0, 4, 5]  # moved back
    assert grid.tops(4) == grid.tops(3) == grid.lefts(2) == [0]
    assert list(grid.corners(5, 10)) == [(0, 0), (4, 0), (0, 1), (4, 1)]


def test_where_windows_overlap_their_mean_counts() -> None:
    """Six columns, windows of four, two apart: columns 2 and 3 are the third and fourth of one, first two of the next.

    Four rows: one window. The mean of 2 and 0 is 1, of 3 and 1 is 2.
    """
    found = slide(column, [noise(4, 6, 3)] * 2, Grid.square(4, 2))
    assert found.shape == (2, 1, 4, 6)
    assert (found == torch.tensor([0.0, 1.0, 1.0, 2.0, 2.0, 3.0])).all()
    # Seven columns, three apart: windows begin at 0 and 3, and share the column 3 alone.
    assert slide(column, [noise(4, 7, 3)], Grid.square(4, 3))[0, 0, 0].tolist() == [0, 1, 2, 1.5, 1, 2, 3]


@pytest.mark.parametrize(("height", "width"), [(9, 13), (3, 13), (9, 4), (2, 2), (5, 5)])
@pytest.mark.parametrize(("window", "stride"), [(5, 5), (5, 2), (4, 3), (1, 1)])
def test_every_pixel_is_covered_by_its_own(height: int, width: int, window: int, stride: int) -> None:
    """What a network says that sees single pixels, no window changes; also of an image smaller than the window."""
    images, shown = [noise(height, width, 3), noise(height, width, 3)[::-1]], []

    def network(crops: list[Image]) -> torch.Tensor:
        shown.append(crops[0].shape[:2])
        return red(crops)

    torch.testing.assert_close(slide(network, images, Grid.square(window, stride)), red(images))
    assert set(shown) == {(min(height, window), min(width, window))}


def test_equals_mmsegmentations_sliding_inference() -> None:
    """With a network whose every answer depends on the whole window, on sides that no number of strides fills."""
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))

    def answer(pixels: torch.Tensor) -> torch.Tensor:
        within = pixels - pixels.mean(dim=(2, 3), keepdim=True)
        return torch.einsum("kc,nchw->nkhw", weights, within)

    images = list(noise(2, 23, 31, 3))
    found = slide(lambda crops: answer(as_tensor(crops)), images, Grid.square(12, 7))
    theirs = SimpleNamespace(
        test_cfg=SimpleNamespace(stride=(7, 7), crop_size=(12, 12)),
        out_channels=5,
        encode_decode=lambda pixels, metas: answer(pixels),
    )
    pixels = as_tensor(images)
    expected = EncoderDecoder.slide_inference(theirs, pixels, [{}])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    assert (found - answer(pixels)).abs().max() > 1  # else windows would not matter here


def all_at_once(network: Network, images: list[Image], window: int, stride: int) -> torch.Tensor:
    """The plain form: a sum over the whole image, divided by how many windows a pixel is in."""
    height, width = images[0].shape[:2]
    high, wide = min(window, height), min(window, width)
    total, count = torch.zeros(len(images), 2, height, width), torch.zeros(height, width)
    for top in [*range(0, height - high, stride), height - high]:
        for left in [*range(0, width - wide, stride), width - wide]:
            total[..., top : top + high, left : left + wide] += network(
                [image[top : top + high, left : left + wide] for image in images]
            )
            count[top : top + high, left : left + wide] += 1
    return total / count


def context(images: list[Image]) -> torch.Tensor:
    """A network whose every answer depends on the whole of what it is shown, and on the place in it."""
    pixels = as_tensor(images)
    place = torch.linspace(0, 1, pixels.shape[2] * pixels.shape[3]).reshape(pixels.shape[2:])
    return (pixels / 255 - pixels.mean(dim=(2, 3), keepdim=True) / 200 + place)[:, :2] * 0.37


@pytest.mark.parametrize(("height", "width"), [(23, 31), (61, 17), (16, 40), (40, 16), (97, 203)])
@pytest.mark.parametrize(("window", "stride"), [(16, 16), (16, 7), (12, 5)])
@pytest.mark.parametrize("together", [1, 3, 64])
def test_bands_are_the_whole_to_the_byte(
    height: int, width: int, window: int, stride: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are handed on a few at a time, each once and in order. (Certainties round as torch's softmax likes.)"""
    monkeypatch.setattr("stages.evaluate.slide.FINISHED", 3 * width)
    images = list(noise(2, height, width, 3))
    found = list(bands(context, images, Grid.square(window, stride), together))
    assert [row for rows, _ in found for row in range(rows.start, rows.stop)] == list(range(height))
    assert max(logits.shape[2] for _, logits in found) <= 3
    whole = all_at_once(context, images, window, stride)
    assert torch.cat([logits for _, logits in found], dim=2).numpy().tobytes() == whole.numpy().tobytes()
    expected, got = prediction(whole), joined(iter(found), 2, height, width)
    assert got.labels.tobytes() == expected.labels.tobytes()
    np.testing.assert_allclose(got.certainty, expected.certainty, rtol=3e-7)
    assert len(np.unique(got.labels)) == 2


def test_images_that_fit_are_predicted_at_once_and_larger_ones_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    images, asked = list(noise(2, 61, 83, 3)), inference(window=16, stride=7)
    expected = prediction(all_at_once(context, images, 16, 7))
    found = predictor(context, asked)(images)
    assert found.labels.tobytes() == expected.labels.tobytes()
    assert found.certainty.tobytes() == expected.certainty.tobytes()
    monkeypatch.setattr("stages.evaluate.predict.WHOLE", 2 * 61 * 83 - 1)
    called: list[tuple[Any, ...]] = []

    def noted(*given: Any) -> Any:
        called.append(given)
        return bands(*given)

    monkeypatch.setattr("stages.evaluate.predict.bands", noted)
    found = predictor(context, asked)(images)
    assert len(called) == 1
    assert found.labels.tobytes() == expected.labels.tobytes()
    np.testing.assert_allclose(found.certainty, expected.certainty, rtol=3e-7)


def test_rows_are_finished_before_lower_windows_are_seen() -> None:
    seen = []

    def network(crops: list[Image]) -> torch.Tensor:
        seen.append(len(crops))
        return red(crops)

    parts = bands(network, [noise(20, 12, 3)], Grid.square(4, 4), together=2)
    rows, _ = next(parts)
    assert rows == slice(0, 4) and seen == [2, 1]  # the three windows of the first row alone


# --- tiles -----------------------------------------------------------------------------------------------------------


def tile(width: int, height: int, overlap: int) -> Shape:
    return Shape(mode="tile", width=width, height=height, overlap=overlap)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(16, 24), st.integers(0, 15), st.integers(1, 9))
def test_stitched_labels_are_those_of_the_pixels(height: int, width: int, side: int, overlap: int, most: int) -> None:
    """A network that sees single pixels says the same of tiles; it is only ever shown windows of a tile's size."""
    shown: list[tuple[int, ...]] = []

    def network(crops: list[Image]) -> torch.Tensor:
        shown.extend(crop.shape[:2] for crop in crops)
        assert len(crops) <= most
        return red(crops)

    images = list(noise(2, height, width, 3))
    shape = tile(side, side + 4, overlap)
    found, direct = predictor(network, inference(), Tiles.of(shape, inference(), most))(images), prediction(red(images))
    assert (found.labels == direct.labels).all() and found.labels.shape == (2, height, width)
    np.testing.assert_allclose(found.certainty, direct.certainty, atol=1e-4)
    assert set(shown) == {(side + 4, side)}
    logits = through(red, inference(), Tiles.of(shape, inference(), most))(images)
    assert (prediction(logits).labels == direct.labels).all()


def test_tiles_overlap_as_params_say_or_are_the_windows_of_evaluate() -> None:
    assert Tiles.of(tile(32, 16, 4), inference(), 8) == Tiles(Grid(16, 32, 12, 28), 8)
    asked = inference(window=24, stride=12)
    assert Tiles.of(tile(32, 16, 4), asked, 8) == Tiles(Grid(24, 24, 12, 12), 8)
    assert Tiles.of(Shape(mode="fit", width=32, height=32, overlap=4), asked, 8) is None
    assert window_size(asked, None) == (24, 24) and window_size(inference(), None) is None
    assert window_size(asked, Tiles(Grid(16, 32, 12, 28), 8)) == (16, 32)


def test_of_tiles_each_is_augmented() -> None:
    """A constant, seen from every side, stays what it is; every view is of a tile's size."""
    asked = inference(tta={"flips": ["horizontal"], "scales": [1.0]})
    shown = []

    def network(crops: list[Image]) -> torch.Tensor:
        shown.append(crops[0].shape[:2])
        return constant(crops)

    found = predictor(network, asked, Tiles.of(tile(16, 16, 0), asked, 2))([noise(40, 50, 3)])
    np.testing.assert_allclose(found.certainty, float(torch.tensor([3.0, 1.0]).softmax(0)[0]), rtol=1e-5)
    assert set(shown) == {(16, 16)} and len(shown) == 2 * 3 * 2  # two views of three rows of four, two at a time


# --- views -----------------------------------------------------------------------------------------------------------


def test_views_are_all_combinations_of_flips() -> None:
    assert flipped([]) == [()]
    assert flipped(["horizontal"]) == [(), (1,)]
    assert flipped(["horizontal", "vertical"]) == [(), (0,), (1,), (0, 1)]


def test_a_network_that_flips_with_the_image_says_the_same() -> None:
    """Softmax is taken before the mean, so it is the probabilities that must agree; a constant is the same scaled."""
    images = list(noise(2, 6, 8, 3) // 32)
    found = augmented(red, images, views(["horizontal", "vertical"], [1.0]))
    torch.testing.assert_close(found.softmax(dim=1), red(images).softmax(dim=1))
    found = augmented(constant, images, views(["vertical"], [0.5, 1.0, 1.7]))
    torch.testing.assert_close(found.softmax(dim=1), constant(images).softmax(dim=1))


def test_means_of_probabilities_by_hand() -> None:
    """Two classes on a row of two pixels. As it is, the left pixel has odds 1:1 and the right one 3:1 for the first
    class; mirrored, what is shown on the left is the right pixel. Probabilities 1/2 and 3/4 give 5/8 for both."""

    def left_unsure(images: list[Image]) -> torch.Tensor:
        logits = torch.zeros(len(images), 2, 1, 2)
        logits[:, 0, :, 1] = float(np.log(3))
        return logits

    found = prediction(augmented(left_unsure, [noise(1, 2, 3)], views(["horizontal"], [1.0])))
    assert found.labels.tolist() == [[[0, 0]]]
    np.testing.assert_allclose(found.certainty, [[[5 / 8, 5 / 8]]], rtol=1e-6)
    # Vertical flips leave a row as it is.
    found = prediction(augmented(left_unsure, [noise(1, 2, 3)], views(["vertical"], [1.0])))
    np.testing.assert_allclose(found.certainty, [[[1 / 2, 3 / 4]]], rtol=1e-6)


def test_scales_are_averaged_at_the_size_of_the_image() -> None:
    """A network that is sure of one class on large images and of the other on small ones, by odds 9:1 and 1:1."""
    seen = []

    def by_size(images: list[Image]) -> torch.Tensor:
        height, width = images[0].shape[:2]
        seen.append((height, width))
        odds = torch.tensor([np.log(9.0) if width > 8 else 0.0, 0.0]).float()
        return odds[:, None, None].expand(len(images), 2, height, width)

    found = prediction(augmented(by_size, [noise(6, 8, 3)], views(["horizontal"], [1.0, 1.5])))
    assert seen == [(6, 8), (6, 8), (9, 12), (9, 12)]
    assert found.certainty.shape == (1, 6, 8)
    np.testing.assert_allclose(found.certainty, (0.9 + 0.5) / 2, rtol=1e-6)


def test_a_class_without_any_probability_is_no_nan() -> None:
    found = prediction(augmented(lambda images: 100 * constant(images), [noise(4, 4, 3)], views(["horizontal"], [1.0])))
    assert (found.labels == 0).all() and (found.certainty == 1).all()


# --- what params say -------------------------------------------------------------------------------------------------


def inference(**changes: Any) -> Inference:
    """As params.yaml has it, but for changes."""
    return check(Inference, AS_IT_IS | changes, "evaluate.")


def test_as_it_is_nothing_is_wrapped() -> None:
    assert through(red, inference()) is red
    assert through(red, inference(stride=64)) is red


def test_a_real_network_goes_by_windows_and_views(tmp_path: Path) -> None:
    """By hand: the predictions of two halves side by side, and the mean with what the mirrored image gives."""
    torch.manual_seed(3)
    resolved = resolve("unet", "small")
    config, weights = tmp_path / "unet.json", tmp_path / "weights.safetensors"
    write_json(config, resolved)
    save_weights(weights, build_model(resolved, 4, FP32).state_dict())
    image = noise(32, 64, 3)

    def predict(shown: Image, **changes: Any) -> Any:
        return load_network(config, weights, 4, FP32, None, inference(**changes))([shown])

    whole = predict(image)
    plain = load_network(config, weights, 4, FP32)([image])
    assert whole.labels.tobytes() == plain.labels.tobytes()
    assert whole.certainty.tobytes() == plain.certainty.tobytes()
    as_large = predict(image, window=64, stride=5)
    assert as_large.certainty.tobytes() == plain.certainty.tobytes()

    halves = predict(image, window=32, stride=32)
    beside = [predict(image[:, :32]), predict(image[:, 32:])]
    np.testing.assert_allclose(halves.certainty, np.concatenate([h.certainty for h in beside], axis=2), rtol=1e-5)
    assert np.abs(halves.certainty - whole.certainty).max() > 1e-3

    both = predict(image, tta=Augmentation(flips=["horizontal"], scales=[1.0]).model_dump())
    mirrored = predict(image[:, ::-1])
    sure = (mirrored.labels[..., ::-1] == both.labels) & (whole.labels == both.labels)
    mean = (whole.certainty + mirrored.certainty[..., ::-1]) / 2
    assert sure.mean() > 0.3
    np.testing.assert_allclose(both.certainty[sure], mean[sure], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window": 32, "stride": 33}, "evaluate.stride: found 33 (int); expected at most the window, 32: every pixel"),
        ({"window": -1}, "evaluate.window: found -1 (int); input should be greater than or equal to 0"),
        ({"tta": {"flips": ["diagonal"], "scales": [1.0]}}, "evaluate.tta.flips.0: found 'diagonal' (str); input"),
        ({"tta": {"flips": [], "scales": []}}, "evaluate.tta.scales: found [] (list); list should have at least 1"),
        ({"tta": {"flips": [], "scales": [1.0, 1.0]}}, "evaluate.tta.scales: found [1.0, 1.0] (list); expected each"),
        ({"tta": TURNED | {"rotations": [5.0]}}, "evaluate.tta.rotations: found [5.0] (list); expected 0 too: turned"),
        ({"tta": TURNED | {"rotations": [0, 90]}}, "evaluate.tta.rotations.1: found 90 (int); input should be less"),
        ({"tta": TURNED | {"rotations": [0, 5, 5]}}, "evaluate.tta.rotations: found [0, 5, 5] (list); expected each"),
    ],
)
def test_params_that_make_no_sense_are_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamsError) as error:
        inference(**changes)
    assert said in str(error.value) and "\n" not in str(error.value)
