"""`predict --cut-out`: with k-means that knows three colours, every pixel can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands._cut_out import covering
from pixelproof.core.errors import DataError, StateError
from tests.commands.colours import COLOURS, halves, publish_panoptic, write
from tests.commands.test_predict import mask, root, run

__all__ = ["root"]
PHOTO = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(4, 8, 3)


def test_what_is_no_part_of_the_classes_is_gone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tomatoes stay with all their colours; of the lake not even the colour below the transparency is left."""
    image = halves(40, 60)
    image[:, 5] += 9  # a shade of tomato
    write(root / "photos/a/x.png", image)
    write(root / "photos/b.png", np.full((64, 48, 3), COLOURS[2]))
    run(monkeypatch, "photos", "--out", "out", "--cut-out", "tomato,grass")
    found = np.asarray(Image.open("out/cutouts/a/x.png"))
    assert found.shape == (40, 60, 4)
    assert (found[:, :30, :3] == image[:, :30]).all() and (found[:, :30, 3] == 255).all()
    assert not found[:, 30:].any()
    assert not np.asarray(Image.open("out/cutouts/b.png")).any(), "nothing of these classes: nothing to see"
    run(monkeypatch, "photos", "--out", "out", "--cut-out", "lake")  # over what it wrote before
    other = np.asarray(Image.open("out/cutouts/a/x.png"))
    assert (other[..., 3] + found[..., 3] == 255).all(), "the classes share all pixels among them"


def test_what_is_cut_out_is_laid_over_another_photo(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The photo is scaled to cover: of 80x20 pixels, the middle 30x20 lie below 60x40, each twice as wide and high."""
    image, columns = halves(40, 60), np.repeat(np.arange(80, dtype=np.uint8), 3).reshape(1, 80, 3)
    write(root / "x.png", image)
    write(root / "beach.png", columns.repeat(20, axis=0))
    run(monkeypatch, "x.png", "--out", "out", "--cut-out", "tomato", "--onto", "beach.png")
    found = np.asarray(Image.open("out/cutouts/x.png"))
    assert found.shape == (40, 60, 3) and (found[:, :30] == image[:, :30]).all()
    expected = 25 + (np.arange(30, 60) + 0.5) / 2 - 0.5  # where pixel centres lie in the photo
    assert abs(found[:, 30:59].astype(float) - expected[:29, None]).max() <= 0.5 + 1e-6


def test_the_middle_of_a_photo_covers_any_size() -> None:
    assert (covering(PHOTO, 4, 8) == PHOTO).all()
    assert (covering(PHOTO, 4, 4) == PHOTO[:, 2:6]).all()
    assert (covering(PHOTO, 2, 8) == PHOTO[1:3]).all()
    halved = PHOTO[:, 2:6].reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))  # of 8x4 pixels, 4x4 are in the middle
    assert abs(covering(PHOTO, 2, 2) - halved).max() <= 0.5
    assert covering(PHOTO[:1], 500, 300).shape == (500, 300, 3), "a line of pixels is not scaled whole"


def test_objects_that_a_network_finds_are_cut_out_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cut out is what the mask says, objects laid over the classes."""
    publish_panoptic(root)
    image = np.random.default_rng(1).integers(1, 256, (64, 96, 3)).astype(np.uint8)
    write(root / "x.png", image)
    arguments = ("x.png", "--out", "out", "--cut-out", "tomato")
    run(monkeypatch, *arguments, arch="panoptic-deeplab-r18")
    found, kept = np.asarray(Image.open("out/cutouts/x.png")), mask("out/masks/x.png") == 0
    assert kept.sum() > 0 and ((found[..., 3] == 255) == kept).all() and (found[kept][:, :3] == image[kept]).all()


def test_mistakes_are_one_line_and_leave_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "x.png", halves(40, 60))
    arguments = ("x.png", "--out", "out")
    names = r"--cut-out tomatoe: no such class; name some of tomato, grass, lake \(did you mean 'tomato'\?\)"
    with pytest.raises(StateError, match=names):
        run(monkeypatch, *arguments, "--cut-out", "lake,tomatoe")
    with pytest.raises(StateError, match="--onto: nothing is cut out"):
        run(monkeypatch, *arguments, "--onto", "x.png")
    (root / "torn.png").write_bytes((root / "x.png").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"torn\.png"):
        run(monkeypatch, *arguments, "--cut-out", "lake", "--onto", "torn.png")
    assert not Path("out").exists()
    run(monkeypatch, *arguments)
    write(root / "out/masks/beach.png", halves(40, 60))
    with pytest.raises(StateError, match="lies in out, which would be replaced"):
        run(monkeypatch, *arguments, "--cut-out", "lake", "--onto", "out/masks/beach.png")
