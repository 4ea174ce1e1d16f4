"""The same bytes with and without memory, and work on those images alone of which something changed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_split
from stages.cvat import convert as module
from stages.cvat.archive import find_exports
from stages.cvat.convert import convert
from tests.remembering import Remembering, digests
from tests.stages.cvat.fake import FakeExport, encoded, params, picture, shape, square
from tests.stages.cvat.formats.made import export, item, mask_items, masks

IMAGES = 9  # six of shapes, of which one is no PNG or JPEG, and three with masks in colours


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remembering:
    fake().folder(tmp_path / "annotations/shapes")
    items = [item(f"{name}.png", mask_items(*masks(number))) for number, name in enumerate(["m", "nn", "ooo"])]
    export(tmp_path / "annotations/masks", "voc_segmentation", items, save_media=True)
    return Remembering(monkeypatch, tmp_path, module, "labels_of")


def fake(moved: str = "") -> FakeExport:
    """Six images; the car of one of them may be moved."""
    made = FakeExport()
    for name in ("a.jpg", "b.jpg", "c.png", "d.bmp", "e.jpg", "f.png"):
        left = 2 if name == moved else 3
        points = [shape("polygon", "car", points=square(left, 2, 9, 11)), shape("ellipse", cx=9, cy=8, rx=4, ry=3)]
        made.add(name, *points)
    return made


def run(**changes: object) -> None:
    convert(find_exports(Path("annotations")), Path("data/cvat"), params(**changes))


def test_the_same_bytes_with_memory_without_and_where_it_is_damaged(memory: Remembering) -> None:
    assert memory.worked(run, "0") == IMAGES
    expected = digests(Path("data"))
    assert len(expected) == 3 * IMAGES + 2
    assert memory.worked(run) == IMAGES
    assert digests(Path("data")) == expected
    assert memory.worked(run) == 0
    assert digests(Path("data")) == expected
    memory.damage()
    assert memory.worked(run) == IMAGES
    assert digests(Path("data")) == expected
    assert memory.worked(run) == 0


def test_one_labelled_anew_is_drawn_anew(memory: Remembering) -> None:
    memory.worked(run)
    before = digests(Path("data"))
    fake("e.jpg").folder(Path("annotations/shapes"))
    assert memory.worked(run) == 1
    found = digests(Path("data"))
    assert {path for path in found if found[path] != before[path]} == {
        "data/cvat/all/masks/e.png", "data/cvat/all/instances/e.png"
    }  # fmt: skip
    memory.worked(run, "0")
    assert digests(Path("data")) == found


def test_another_photograph_or_picture_of_labels_is_seen(memory: Remembering) -> None:
    memory.worked(run)
    black = cv2.imencode(".png", np.zeros((16, 20, 3), np.uint8))[1].tobytes()
    for path, content in (
        ("annotations/shapes/images/a.jpg", encoded(20, 16, ".jpg", seed=99)),
        ("annotations/masks/SegmentationClass/m.png", Path("annotations/masks/SegmentationClass/nn.png").read_bytes()),
        ("annotations/masks/SegmentationObject/nn.png", black),
    ):  # fmt: skip
        Path(path).write_bytes(content)
        assert memory.worked(run) == 1, path
    found = digests(Path("data"))
    memory.worked(run, "0")
    assert digests(Path("data")) == found


def test_params_that_shape_images_count_and_others_do_not(memory: Remembering) -> None:
    memory.worked(run)
    assert memory.worked(lambda: run(group="image")) == 0
    assert memory.worked(lambda: run(background="lake")) == IMAGES
    found = digests(Path("data"))
    memory.worked(lambda: run(background="lake"), "0")
    assert digests(Path("data")) == found


def test_the_window_of_16_bits_counts(memory: Remembering) -> None:
    made = FakeExport().add("deep.png", shape("polygon", points=square(3, 2, 9, 11)))
    deep = np.random.default_rng(0).integers(0, 256, (16, 20)).astype(np.uint16)
    made.files["images/deep.png"] = cv2.imencode(".png", deep)[1].tobytes()
    made.folder(Path("annotations/shapes"))
    found = []
    for high in (204, 255):
        assert memory.worked(lambda high=high: run(window={"low": 51, "high": high})) == 1 + 3  # type: ignore[misc]
        found.append(digests(Path("data")))
        memory.worked(lambda high=high: run(window={"low": 51, "high": high}), "0")  # type: ignore[misc]
        assert digests(Path("data")) == found[-1]
    differ = {path for path in found[0] if found[0][path] != found[1][path]}
    assert differ == {"data/cvat/dataset.json", "data/cvat/all/images/deep.png"}
    with pytest.raises(DataError, match=r"cvat\.window"):  # also where other windows are remembered
        memory.worked(run)


def test_scales_are_found_without_drawing_anew(memory: Remembering) -> None:
    memory.worked(run)
    for metres in (0.5, 0.25):
        Path("annotations/scale.csv").write_text(f"name,metres_per_pixel\nb.jpg,{metres}\n")
        assert memory.worked(lambda: run(scale={"file": "scale.csv"})) == 0
        scales = {sample.id: sample.metres_per_pixel for sample in read_split(Path("data/cvat"), "all")}
        assert {name: scale for name, scale in scales.items() if scale} == {"b": metres}


def test_a_photograph_with_two_names_is_drawn_once(memory: Remembering) -> None:
    made = FakeExport()
    for name in ("a.png", "b.png", "c.png"):
        made.add(name, shape("polygon", points=square(3, 2, 9, 11)))
        made.files[f"images/{name}"] = cv2.imencode(".png", picture(20, 16))[1].tobytes()
    made.folder(Path("annotations/shapes"))
    assert memory.worked(run) == 1 + 3
    assert sum(path.startswith("data/cvat/all/images") for path in digests(Path("data"))) == 6
