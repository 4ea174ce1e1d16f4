"""The export that ships: small, and drawn in every way that people draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from examples.make_cvat_example import FLIGHTS, SMALLEST, main, scene_of
from pixelproof.data.dataset import IGNORE, UNSPLIT, iterate, read_split, verify
from stages.cvat.archive import find_exports
from stages.cvat.convert import convert
from stages.cvat.params import Cvat

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/cvat"


def test_example_becomes_a_dataset(tmp_path: Path) -> None:
    section = Cvat.model_validate(yaml.safe_load((ROOT / "params.yaml").read_text())["cvat"])
    exports, images, skipped = convert(find_exports(ROOT / section.exports), tmp_path / "cvat", section)
    assert (exports, images, skipped) == (1, 8, {})
    verify(tmp_path / "cvat", (UNSPLIT,))
    assert len({sample.group for sample in read_split(tmp_path / "cvat", UNSPLIT)}) == 4
    masks = np.concatenate([mask.ravel() for _, _, mask in iterate(tmp_path / "cvat", UNSPLIT)])
    pixels = np.bincount(masks, minlength=256)
    assert (pixels[: len(section.classes)] > 0).all() and pixels[IGNORE] == 0


def test_drawn_shapes_come_back_as_the_scene_they_were_drawn_from(tmp_path: Path) -> None:
    main(tmp_path / "example")
    section = Cvat.model_validate(yaml.safe_load((ROOT / "params.yaml").read_text())["cvat"])
    convert(find_exports(tmp_path / "example"), tmp_path / "cvat", section)
    found = {sample.id: mask for sample, _, mask in iterate(tmp_path / "cvat", UNSPLIT)}
    for flight in FLIGHTS:
        truth = scene_of(flight, 0).mask
        drawn = np.flatnonzero(np.bincount(truth.ravel()) >= SMALLEST)  # nobody outlines a splinter at the border
        assert len(drawn) >= 5
        for number in drawn:
            ours, theirs = found[f"{flight}-0001"] == number, truth == number
            overlap = (ours & theirs).sum() / (ours | theirs).sum()
            assert overlap > 0.85, (flight, section.classes[int(number)].name, overlap)
        assert (found[f"{flight}-0001"] == truth).mean() > 0.99


def test_example_is_small_and_shows_every_kind_of_shape() -> None:
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file()) < 1_000_000
    text = "".join(path.read_text() for path in EXAMPLE.rglob("annotations.xml"))
    assert all(f"<{kind} " in text for kind in ("polygon", "box", "ellipse", "mask"))
    assert 'rotation="' in text and 'z_order="2"' in text and 'label="vehicle"' in text
