"""The figures of docs/lecture.md: what they are drawn from, worked out by hand or by torch and OpenCV."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks import lecture, lecture_trained
from benchmarks import upsampling as up
from benchmarks.lecture_trained import DARK, SQUARE, in_the_middle, over_squares
from tests.stages.train.conftest import write_split


def test_overlaps_by_hand() -> None:
    """Along an axis a kernel of three reaches every other pixel twice, one of four each of them twice."""
    assert up.overlaps(3)[4:7, 4:7].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert (up.overlaps(4)[4:12, 4:12] == 4).all() and up.unevenness(up.overlaps(4)) == 0
    assert up.unevenness(up.of_flat(3, resized=True)) == pytest.approx(0, abs=1e-12)
    assert up.unevenness(up.of_flat(4, resized=False)) > 0.1, "an even number of overlaps alone is no guarantee"


def test_a_transposed_convolution_with_a_ramp_is_bilinear_interpolation() -> None:
    maps = torch.rand(2, 1, 6, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)
    assert torch.allclose(up.risen(maps, up.BILINEAR), expected)
    nearest = cv2.resize(maps[0, 0].numpy(), (18, 12), interpolation=cv2.INTER_NEAREST)
    assert (up.risen(maps, torch.ones(2, 2, dtype=torch.float64))[0, 0].numpy() == nearest).all()


def test_a_fit_is_no_worse_than_what_it_could_have_been() -> None:
    """On its own scenes least squares is at least as near as bilinear interpolation, and a larger kernel nearer."""
    errors = [
        up.misses(kernel, range(2))[1] for kernel in (up.BILINEAR, up.fitted(4, range(2)), up.fitted(6, range(2)))
    ]
    assert errors[0] > errors[1] > errors[2]


def test_regions_by_hand() -> None:
    """A bin is one cell wide: RoIAlign reads its middle, RoIPool the cell to which it is rounded, and 16 pixels on."""
    shifts = np.arange(0, 33, dtype=np.float64)
    align, pool = (up.regions(up.REGIONS[name], up.places(), shifts)[:, 3, 3] for name in ("RoIAlign", "RoIPool"))
    assert align == pytest.approx(160 + 56 + shifts)
    assert up.jumps(pool) == 16 and set(np.diff(pool)) == {0, 16}
    assert np.flatnonzero(np.diff(pool)).tolist() == [7, 23], "halves of a cell are rounded up"


def test_figures_have_the_same_bytes_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for at in (0, 1):
        lecture.regions(tmp_path / f"{at}.png")
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    assert cv2.imread(str(tmp_path / "0.png")) is not None


def test_the_image_in_the_middle_is_shown(tmp_path: Path) -> None:
    """Of five images, that on which the first network is better than on two and worse than on two."""
    write_split(tmp_path / "data/prepared", "test", 5)
    ids = sorted(path.stem for path in (tmp_path / "data/prepared/test/masks").iterdir())
    for name, right in {"unet": [0, 9, 3, 5, 7], "deconvnet": [0] * 5}.items():
        for number, rows in zip(ids, right, strict=True):
            truth = cv2.imread(str(tmp_path / f"data/prepared/test/masks/{number}.png"), cv2.IMREAD_UNCHANGED)
            assert truth is not None
            found = (truth + 1) % 3
            found[2:rows] = truth[2:rows]
            path = tmp_path / f"results/{name}/0/evaluate/masks/test/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), found)
    _, truth, masks = in_the_middle(tmp_path, ("unet", "deconvnet"))
    assert (masks[0][2:5] == truth[2:5]).all() and (masks[0][5:] != truth[5:]).any(axis=2).all()
    assert (truth[:2] == DARK).all(), "the rows that are unlabelled"


def test_results_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "results/unet/0/evaluate").mkdir(parents=True)
    (tmp_path / "results/unet/0/evaluate/metrics.json").write_text(json.dumps({}))
    with pytest.raises(SystemExit, match="no results of deconvnet"):
        lecture_trained.trained(tmp_path, ("unet", "deconvnet"), 1)


def test_squares_show_through_what_was_cut_away() -> None:
    picture = np.zeros((2 * SQUARE, 2 * SQUARE, 4), np.uint8)
    picture[0, 0] = (1, 2, 3, 255)
    found = over_squares(picture)
    assert found[0, 0].tolist() == [1, 2, 3]
    assert found[0, 1].tolist() == [255] * 3 and found[0, SQUARE].tolist() == [215] * 3
