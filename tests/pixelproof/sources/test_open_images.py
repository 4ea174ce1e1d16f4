"""Open Images from a miniature: a table, a mask for each object, smaller ones on top."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_header
from pixelproof.sources import open_images
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import convert, digest, instances, masks


def test_the_validation_split_alone_is_divided_later(tmp_path: Path) -> None:
    out = convert(open_images, miniatures.open_images(tmp_path / "in"), tmp_path / "out")
    assert [info.name for info in read_header(out).classes] == ["background", "Man", "Person"]
    assert masks(out).keys() == {"all/a000000000000000", "all/a000000000000001"}
    expected = np.zeros((12, 16), int)
    expected[:, 0:8] = 2  # the masks have half the size of the photograph
    expected[2:6, 2:6] = 1
    np.testing.assert_array_equal(masks(out)["all/a000000000000001"], expected)
    numbers = np.array([0, 2, 1])  # in the order of the table
    np.testing.assert_array_equal(instances(out)["all/a000000000000001"], numbers[expected])


def test_the_full_dataset_has_the_published_splits(tmp_path: Path) -> None:
    root = miniatures.open_images(tmp_path / "in")
    out = convert(open_images, root, tmp_path / "out", variant="full")
    assert [info.name for info in read_header(out).classes] == ["background", "Car", "Man", "Person"]
    assert {key.split("/")[0] for key in masks(out)} == {"train", "val", "test"} and len(masks(out)) == 6
    assert digest(convert(open_images, root, tmp_path / "two", 2, variant="full")) == digest(out)


def test_what_is_rarer_than_an_8_bit_mask_can_hold_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_images, "MOST", 1)
    out = convert(open_images, miniatures.open_images(tmp_path / "in"), tmp_path / "out")
    assert [info.name for info in read_header(out).classes] == ["background", "Person"]
    mask = masks(out)["all/a000000000000000"]
    assert (mask[2:6, 2:6] == 255).all() and mask[0, 0] == 1 and mask[0, 15] == 0


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("validation-annotations-object-segmentation.csv", "a,b\n1,2\n", r"expected columns MaskPath, .*KeyError"),
        ("validation-annotations-object-segmentation.csv", "MaskPath,ImageID\n", r"expected a line for each mask"),
        ("class-descriptions-boxable.csv", "", r"expected the name of /m/0\w+, found none"),
        ("validation/a000000000000001.jpg", None, r"expected the photograph a000000000000001.jpg, found no such file"),
        ("validation-masks-a/a000000000000001_m04yx4_00000001.png", None, r"csv:5: expected the mask a0+1_m04yx4_"),
    ],
)
def test_a_broken_variant_is_one_line(tmp_path: Path, path: str, text: str | None, message: str) -> None:
    root = miniatures.open_images(tmp_path / "in")
    if text is None:
        (root / path).unlink()
    else:
        (root / path).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        convert(open_images, root, tmp_path / "out")
    assert "\n" not in str(caught.value)
