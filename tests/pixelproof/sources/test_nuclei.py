"""Nuclei: one PNG for each becomes a mask and instances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_split
from pixelproof.sources import nuclei
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import convert, instances, masks
from tests.pixelproof.sources.miniatures import save


def test_each_nucleus_is_an_instance_and_each_image_a_group(tmp_path: Path) -> None:
    root = miniatures.nuclei(tmp_path / "in")
    out = convert(nuclei, root, tmp_path / "out")
    assert [(s.id, s.group) for s in read_split(out, "all")] == [(f"{n:064x}", f"{n:064x}") for n in range(3)]
    one = instances(out)[f"all/{2:064x}"]
    expected = np.zeros((16, 16), np.uint16)
    for number in range(3):
        expected[5 * number : 5 * number + 4, 2:6] = number + 1
    np.testing.assert_array_equal(one, expected)
    np.testing.assert_array_equal(masks(out)[f"all/{2:064x}"], expected > 0)
    assert Image.open(out / "all/images" / f"{2:064x}.png").mode == "RGB"


def test_a_pixel_of_two_masks_belongs_to_the_first(tmp_path: Path) -> None:
    root = miniatures.nuclei(tmp_path / "in", images=1)
    save(root / f"{0:064x}/masks/{3:064x}.png", np.full((16, 16), 255, np.uint8))
    one = instances(convert(nuclei, root, tmp_path / "out"))[f"all/{0:064x}"]
    assert one is not None and np.bincount(one.ravel()).tolist() == [0, 16, 16, 16, 208]


@pytest.mark.parametrize("broken", ["size", "grey", "two images", "none"])
def test_a_broken_folder_is_one_line(tmp_path: Path, broken: str) -> None:
    root = miniatures.nuclei(tmp_path / "in", images=1)
    place = root / f"{0:064x}"
    if broken == "size":
        save(place / "masks/a.png", np.zeros((8, 8), np.uint8))
    if broken == "grey":
        save(place / "masks/a.png", np.full((16, 16), 7, np.uint8))
    if broken == "two images":
        save(place / "images/b.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"^[^\n]+: expected [^\n]+$"):
        convert(nuclei, root / "nothing" if broken == "none" else root, tmp_path / "out")
