"""COCO from a miniature: panoptic PNGs in their archive, maps of stuff, and instances as pycocotools sees them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import read_header
from pixelproof.sources import coco
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import convert, digest, instances, masks


@pytest.mark.parametrize(("variant", "classes", "things"), [("", 133, 80), ("stuff", 171, 80), ("instances", 81, 80)])
def test_classes(tmp_path: Path, variant: str, classes: int, things: int) -> None:
    out = convert(coco, miniatures.coco(tmp_path / "in"), tmp_path / "out", variant=variant)
    found = read_header(out).classes
    assert (len(found), sum(info.thing for info in found)) == (classes, things)
    assert masks(out).keys() == {"train/000000000009", "train/000000000025", "val/000000000139"}


def test_panoptic_segments_become_classes_and_things_instances(tmp_path: Path) -> None:
    root = miniatures.coco(tmp_path / "in")
    with zipfile.ZipFile(root / "annotations/panoptic_val2017.zip") as packed:
        rgb = np.asarray(Image.open(packed.open("panoptic_val2017/000000000139.png"))).astype(int)
    ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
    out = convert(coco, root, tmp_path / "out")
    names = [info.name for info in read_header(out).classes]
    person, sky = names.index("person"), names.index("sky-other-merged")
    table = {0: 255, 70_001: person, 300: person, 5: person, 16_000_001: sky}
    expected = [[table[one] for one in row] for row in ids.tolist()]
    np.testing.assert_array_equal(masks(out)["val/000000000139"], expected)
    objects = {300: 1, 70_001: 2}  # in the order of their ids; neither the crowd nor the sky
    expected = [[objects.get(one, 0) for one in row] for row in ids.tolist()]
    np.testing.assert_array_equal(instances(out)["val/000000000139"], expected)


def test_maps_of_stuff_hold_ids_less_one(tmp_path: Path) -> None:
    root = miniatures.coco(tmp_path / "in")
    out = convert(coco, root, tmp_path / "out", variant="stuff")
    names = [info.name for info in read_header(out).classes] + [""] * 100
    mask = masks(out)["val/000000000139"]
    ids = np.asarray(Image.open(root / "stuffthingmaps/val2017/000000000139.png"))
    wanted = {0: "person", 15: "bird", 91: "banner", 181: "wood"}
    assert {value: names[int(mask[ids == value][0])] for value in wanted} == wanted
    assert set(mask[ids == 255].tolist()) == {255} or not (ids == 255).any()


def test_smaller_objects_are_on_top_and_a_crowd_has_no_instance(tmp_path: Path) -> None:
    out = convert(coco, miniatures.coco(tmp_path / "in"), tmp_path / "out", variant="instances")
    names = [info.name for info in read_header(out).classes]
    expected = np.zeros((12, 16), int)
    expected[0:8, 0:8] = expected[9:12, 9:12] = names.index("chair")
    expected[2:4, 2:4] = names.index("cat")
    expected[:, 15] = names.index("person")
    np.testing.assert_array_equal(masks(out)["val/000000000139"], expected)
    numbers = {names.index("cat"): 1, names.index("chair"): 2}  # in the order of the file
    objects = [[numbers.get(one, 0) for one in row] for row in expected.tolist()]
    np.testing.assert_array_equal(instances(out)["val/000000000139"], objects)
    assert not masks(out)["train/000000000025"].any()  # without annotations


@pytest.mark.parametrize("variant", ["panoptic", "stuff", "instances"])
def test_workers_change_no_byte(tmp_path: Path, variant: str) -> None:
    root = miniatures.coco(tmp_path / "in")
    one = digest(convert(coco, root, tmp_path / "one", variant=variant))
    assert digest(convert(coco, root, tmp_path / "two", 2, variant=variant)) == one


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("json", r"instances_val2017.json: expected JSON, found"),
        ("image", r"instances_val2017.json: expected images, and annotations of these, found KeyError 4"),
        ("category", r"000000000139.jpg: expected a category of a thing, found 12"),
        ("size", r"000000000139.jpg: expected a mask of the image's size \[12, 16\], found \[3, 4\]"),
        ("shape", r"000000000139.jpg: expected polygons .* or run lengths, found 7; "),
        ("long", r"000000000139.jpg: expected run lengths of 192 pixels \(16x12\), found 193"),
        ("cut", r"000000000139.jpg: expected run lengths that pycocotools wrote, found 'oo'"),
    ],
)
def test_a_broken_annotation_is_one_line(tmp_path: Path, broken: str, message: str) -> None:
    root = miniatures.coco(tmp_path / "in")
    path = root / "annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    first = content["annotations"][0]
    first |= {
        "json": {}, "image": {"image_id": 4}, "category": {"category_id": 12},
        "size": {"segmentation": {"size": [3, 4], "counts": [12]}}, "shape": {"segmentation": 7},
        "long": {"segmentation": {"size": [12, 16], "counts": [100, 93]}},
        "cut": {"segmentation": {"size": [12, 16], "counts": "oo"}},
    }[broken]  # fmt: skip
    path.write_text(json.dumps(content)[: -9 if broken == "json" else None])
    with pytest.raises(DataError, match=message) as caught:
        convert(coco, root, tmp_path / "out", variant="instances")
    assert "\n" not in str(caught.value)


def test_a_segment_that_the_json_lacks_is_one_line(tmp_path: Path) -> None:
    root = miniatures.coco(tmp_path / "in")
    path = root / "annotations/panoptic_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segments_info"].pop(0)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"000000000139.png: expected one of 4 known values, found 70001 in \d+ pixels"):
        convert(coco, root, tmp_path / "out")
