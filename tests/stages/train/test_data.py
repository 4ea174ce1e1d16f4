"""The order of a run and what each sample becomes: worked out apart from torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, Header, Sample, SplitWriter, write_header
from pixelproof.nn.preprocess import pad
from pixelproof.scoring.confusion import confusion, iou
from stages.train.data import Labelled, Order, TrainSet, Windows, to_validate
from stages.train.params import Span, iterations_of
from tests.stages.train.conftest import CLASSES, write_split

SEED = (0, 0)


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order() -> None:
    """10 images, batches of 4, 5 iterations: positions 0 to 19 are two epochs, each a permutation."""
    keys = list(Order(10, SEED, 4, 5))
    assert [position for position, _ in keys] == list(range(20))
    first, second = [i for _, i in keys[:10]], [i for _, i in keys[10:]]
    assert sorted(first) == sorted(second) == list(range(10)) and first != second
    assert first != [i for _, i in Order(10, (0, 1), 4, 5)][:10]


def test_a_resumed_order_is_the_rest_of_the_whole() -> None:
    """Starting at iteration 3 gives what a run from the start gives from there."""
    assert list(Order(10, SEED, 4, 5, start=3)) == list(Order(10, SEED, 4, 5))[12:]


def test_processes_share_each_batch_without_repeats() -> None:
    """Each batch of two processes is, together, the batch of one."""
    whole = list(Order(10, SEED, 4, 5))
    one, two = (list(Order(10, SEED, 4, 5, rank=rank, world=2)) for rank in (0, 1))
    for iteration in range(5):
        together = one[2 * iteration : 2 * iteration + 2] + two[2 * iteration : 2 * iteration + 2]
        assert together == whole[4 * iteration : 4 * iteration + 4]


class Coin:
    """A generator whose throws are given."""

    def __init__(self, *throws: float) -> None:
        self.throws = list(throws)

    def __call__(self, seed: object) -> Coin:
        """In place of `default_rng`."""
        return self

    def random(self) -> float:
        """The next throw."""
        return self.throws.pop(0)


@pytest.mark.parametrize(
    ("throws", "expected"),
    [
        ((0.9, 0.9), [[1, 2], [3, 4]]),
        ((0.1, 0.9), [[2, 1], [4, 3]]),
        ((0.9, 0.1), [[3, 4], [1, 2]]),
        ((0.1, 0.1), [[4, 3], [2, 1]]),
    ],
)
def test_flips_move_image_and_mask_together(
    throws: tuple[float, float], expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hand-worked on 2x2 pixels; the order in which flips are listed changes nothing."""
    for flips in (("horizontal", "vertical"), ("vertical", "horizontal")):
        monkeypatch.setattr("numpy.random.default_rng", Coin(*throws))
        image, labels = TrainSet(Quarters(), SEED, flips)[0, 0]
        assert labels.tolist() == expected and image[..., 0].tolist() == expected


class Quarters:
    """One image of 2x2 pixels."""

    def __len__(self) -> int:
        return 1

    def id(self, index: int) -> str:
        """Its name."""
        return "quarters"

    def read(self, index: int) -> Any:
        """Its pixels, and the same as labels."""
        mask = np.array([[1, 2], [3, 4]], np.uint8)
        return np.repeat(mask[..., None], 3, axis=2), mask

    def instances(self, index: int) -> None:
        """It has none."""


def test_a_sample_depends_on_its_position_and_id_alone(tmp_path: Path) -> None:
    """The same key gives the same pixels in any order; another position may flip them otherwise."""
    write_split(tmp_path, "train", 4)
    data = TrainSet(Labelled.open([(tmp_path, "train")]), SEED, ("horizontal", "vertical"))
    keys = [(position, 2) for position in range(12)]
    forward = [data[key] for key in keys]
    backward = [data[key] for key in reversed(keys)][::-1]
    assert all(
        np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(forward, backward, strict=True)
    )
    assert len({image.tobytes() for image, _ in forward}) == 4  # both flips happen, apart and together


def test_no_images_is_an_error(tmp_path: Path) -> None:
    """An empty training split is named."""
    write_split(tmp_path, "train", 0)
    with pytest.raises(DataError, match="train: expected images, found none"):
        Labelled.open([(tmp_path, "train")])


def whole_images(root: Path, *sizes: tuple[int, int]) -> None:
    """A val split of these sizes; every tenth pixel is ignored."""
    header = Header("shapes", CLASSES)
    write_header(root, header)
    writer = SplitWriter(root, "val", header)
    for number, (width, height) in enumerate(sizes):
        rng = np.random.default_rng(number)
        mask = rng.integers(0, 3, (height, width)).astype(np.uint8)
        mask[rng.random(mask.shape) < 0.1] = IGNORE
        image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        writer.add(Sample(f"v{number}", "g", width, height, "shapes"), image, mask)
    writer.close()


def test_whole_images_are_validated_in_windows_each_pixel_once(tmp_path: Path) -> None:
    """What a network says that sees single pixels gives the same matrix in windows as on whole images."""
    whole_images(tmp_path, (50, 40), (16, 24), (7, 9), (33, 24))
    data, size = Labelled.of_any_size([(tmp_path, "val")]), (16, 24)
    windows = to_validate([(tmp_path, "val")], size)
    assert isinstance(windows, Windows) and windows.size == size and windows.classes == 3
    assert len(windows) == 4 * 2 + 1 + 1 + 3 and windows.id(0) == windows.id(7) == "v0" and windows.id(9) == "v2"

    def predicted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image[..., 0] % 3

    pairs = [windows.read(index) for index in range(len(windows))]
    assert {(image.shape, mask.shape) for image, mask in pairs} == {((24, 16, 3), (24, 16))}
    found = sum(confusion(mask, predicted(image), 3) for image, mask in pairs)
    expected = sum(confusion(mask, predicted(image), 3) for image, mask in (data.read(i) for i in range(4)))
    assert np.array_equal(found, expected) and np.sum(expected) > 0.85 * (2000 + 384 + 63 + 792)


def test_an_image_is_decoded_once_for_its_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where several processes share the windows."""
    whole_images(tmp_path, (50, 40), (33, 24))
    windows, read = to_validate([(tmp_path, "val")], (16, 16)), list[int]()
    decode = Labelled.read

    def noted(data: Labelled, index: int) -> Any:
        read.append(index)
        return decode(data, index)

    monkeypatch.setattr(Labelled, "read", noted)
    for index in range(1, len(windows), 2):
        windows.read(index)
    assert read == [0, 1]


def test_images_of_the_size_are_validated_as_they_are(tmp_path: Path) -> None:
    whole_images(tmp_path, (16, 24), (16, 24))
    assert isinstance(to_validate([(tmp_path, "val")], (16, 24)), Labelled)
    assert isinstance(to_validate([(tmp_path, "val")], (24, 16)), Windows)


def test_what_is_filled_up_is_ignored() -> None:
    """A 2x33 mask becomes 32x64, its own pixels in the upper left and 255 elsewhere; one that fits stays itself."""
    mask = torch.ones(1, 2, 33, dtype=torch.uint8)
    filled = pad(mask, IGNORE)
    assert filled.shape == (1, 32, 64) and (filled[:, :2, :33] == 1).all()
    assert (filled == IGNORE).sum() == 32 * 64 - 2 * 33
    fits = torch.zeros(1, 3, 32, 64)
    assert pad(fits, 0.0) is fits


def test_confusion_and_iou_by_hand() -> None:
    """Six pixels, one of them ignored; class 2 is absent from truth and prediction."""
    truth: NDArray[np.uint8] = np.array([0, 0, 0, 1, 1, 255], np.uint8)
    prediction = np.array([0, 0, 1, 1, 0, 0], np.uint8)
    matrix = confusion(truth, prediction, 3)
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert np.allclose(iou(matrix)[:2], [2 / 4, 1 / 3]) and np.isnan(iou(matrix)[2])


def test_a_span_of_epochs_shows_every_image_that_often() -> None:
    """10 images in batches of 4: one epoch takes 3 batches, three take 8 (7.5 is not enough)."""
    assert [iterations_of(span, 10, 4) for span in (7, "1 epoch", "3 epochs")] == [7, 3, 8]


@pytest.mark.parametrize("span", [0, -1, "3", "0 epochs", "3 hours", 2.5, True, None])
def test_a_span_is_iterations_or_epochs(span: object) -> None:
    """Anything else, minutes above all, is an error that says what is allowed."""
    with pytest.raises(ValidationError, match="as in `40 epochs`"):
        TypeAdapter(Span).validate_python(span)
