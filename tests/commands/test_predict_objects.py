"""`predict` of objects: what hangs together of a network that knows classes, and what a network finds by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from commands._objects import enlarged
from commands._trained import find
from pixelproof.core.errors import StateError
from pixelproof.data.dataset import write_header
from pixelproof.scoring.instances import Instance
from pixelproof.scoring.objects import components
from tests.commands.colours import COLOURS, HEADER, halves, make_clone, publish_panoptic, write
from tests.commands.test_predict import run

TOMATOES = replace(HEADER, classes=tuple(replace(info, thing=info.name == "tomato") for info in HEADER.classes))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose network knows three colours, of which one is a thing."""
    place = make_clone(tmp_path / "clone", monkeypatch)
    write_header(place / "data/prepared", TOMATOES)
    return place


def garden() -> Any:
    """Three tomatoes on grass, each of an area of its own."""
    classes = np.ones((64, 96), int)
    for top, left, side in ((4, 4, 10), (30, 20, 16), (40, 70, 20)):
        classes[top : top + side, left : left + side] = 0
    return COLOURS[classes]


def numbers(path: str) -> Any:
    """A map of objects as a person reads it."""
    found = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert found is not None and found.dtype == np.uint16
    return found


def check(name: str, number: int = 0) -> list[dict[str, Any]]:
    """Pixels and COCO's JSON say the same of the objects of an image; its annotations."""
    content = json.loads(Path("out/objects.json").read_text())
    image, map_of = content["images"][number], numbers(f"out/instances/{name}.png")
    assert (image["height"], image["width"]) == map_of.shape and image["file_name"] == f"{name}.png"
    own: list[dict[str, Any]] = [one for one in content["annotations"] if one["image_id"] == image["id"]]
    for one in own:
        whole = rle.decode(one["segmentation"])
        assert whole.shape == map_of.shape and whole.sum() == one["area"]
        assert rle.toBbox(one["segmentation"]).tolist() == one["bbox"]
    together = sum(rle.decode(one["segmentation"]) for one in own) if own else np.zeros(map_of.shape)
    assert ((together > 0) >= (map_of > 0)).all()
    return own


def test_what_hangs_together_is_an_object_if_that_is_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "photos/a.png", garden())
    write(root / "photos/b.png", halves(40, 60, 1, 2))
    run(monkeypatch, "photos", "--out", "out")
    assert not Path("out/objects.json").exists() and not Path("out/instances").exists()
    plain = Path("out/overlays/a.jpg").read_bytes()
    run(monkeypatch, "photos", "--out", "out", "--objects", "--size", "own")
    found = check("a")
    assert sorted(one["area"] for one in found) == [100, 256, 400]
    assert {one["category_id"] for one in found} == {0} and all(0.3 < one["score"] <= 1 for one in found)
    labels = np.asarray(Image.open("out/masks/a.png"))
    assert (numbers("out/instances/a.png") == components(labels, [0]).as_map()).all()
    assert check("b", 1) == [] and not numbers("out/instances/b.png").any()
    assert Path("out/overlays/a.jpg").read_bytes() != plain
    assert json.loads(Path("out/objects.json").read_text())["categories"] == [{"id": 0, "name": "tomato"}]


def test_a_network_that_learns_objects_says_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With drawn weights it finds what it likes, but pixels, JSON and classes agree at the image's own size."""
    publish_panoptic(root)
    write(root / "photos/a.png", garden())
    run(monkeypatch, "photos", "--out", "out", arch="panoptic-deeplab-r18")
    found, map_of = check("a"), numbers("out/instances/a.png")
    labels = np.asarray(Image.open("out/masks/a.png"))
    assert len(found) > 1 and map_of.max() > 0 and (labels[map_of > 0] == 0).all()
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    assert find("panoptic-deeplab-r18", 0).arch == "panoptic-deeplab-r18"


def test_probabilities_are_those_of_the_classes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "photos/a.png", garden())
    run(monkeypatch, "photos", "--out", "out", "--probabilities")
    maps = [
        cv2.imread(f"out/probabilities/a/{name}.png", cv2.IMREAD_UNCHANGED)
        for name in ("000-tomato", "001-grass", "002-lake")
    ]
    assert all(each is not None and each.shape == (64, 96) for each in maps)
    total = np.sum(np.array(maps, np.int64), axis=0)
    assert (abs(total - 255) <= 2).all()
    labels = np.asarray(Image.open("out/masks/a.png"))
    assert (np.argmax(np.array(maps), axis=0) == labels).mean() > 0.99


def test_objects_need_a_class_that_is_a_thing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_header(root / "data/prepared", HEADER)
    write(root / "photos/a.png", garden())
    with pytest.raises(StateError, match=r"--objects: no class that is a thing"):
        run(monkeypatch, "photos", "--out", "out", "--objects")
    assert not Path("out").exists()


def test_objects_are_enlarged_with_their_image() -> None:
    one = Instance(2, 0.8, 4, 2, np.ones((6, 10), bool))
    (larger,) = enlarged([one], (20, 30), (40, 60))
    assert (larger.label, larger.score, larger.left, larger.top) == (2, 0.8, 8, 4) and larger.mask.shape == (12, 20)
    assert enlarged([one], (20, 30), (20, 30)) == [one]
    assert enlarged([Instance(1, 0.5, 0, 0, np.ones((1, 1), bool))], (20, 30), (2, 3)) == []
