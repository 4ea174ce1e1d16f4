"""COCO 1.0: what Datumaro writes comes back to the pixel, and what is broken is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as tools

from pixelproof.data.outlines import Polygon, Runs
from stages.cvat.formats import coco
from stages.cvat.model import Parsed, Shape
from tests.stages.cvat.formats.made import (
    LABELS,
    areas,
    drawn,
    export,
    item,
    mask_items,
    masks,
    opened,
    photo,
    refusal,
    same,
    written,
    zipped,
)  # fmt: skip

FILE = "annotations/instances_train.json"
SQUARE = [2, 2, 8, 2, 8, 6, 2, 6]


def parsed(path: Path) -> Parsed:
    """What the reader says."""
    with opened(path) as found:
        assert coco.matches(found)
        return coco.read(found)


def shapes(result: Parsed) -> tuple[Shape, ...]:
    """The shapes of the only image."""
    (image,) = result.images
    assert isinstance(image.labels, tuple)
    return image.labels


def document(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A COCO file with one image, as tools other than Datumaro write it."""
    categories = [{"id": 10 + place, "name": name} for place, name in enumerate(LABELS)]
    image = {"id": 7, "file_name": "a.png", "width": 20, "height": 16}
    numbered = [{"id": place, "image_id": 7, "category_id": 10, **one} for place, one in enumerate(annotations)]
    return {"images": [image], "annotations": numbered, "categories": categories, **changes}


def alone(folder: Path, *annotations: dict[str, Any], **changes: Any) -> Path:
    """An export of that file and its photograph."""
    return written(folder, {FILE: document(*annotations, **changes), "images/train/a.png": photo()})


def test_masks_come_back_to_the_pixel_with_their_objects_through_datumaro_and_a_zip(tmp_path: Path) -> None:
    truth = {f"flight 1/{name}.png": masks(seed) for seed, name in enumerate(("a", "图片"))}
    items = [item(name, mask_items(*pair), "train") for name, pair in truth.items()]
    path = zipped(export(tmp_path / "coco", "coco_instances", items, save_media=True))
    result = parsed(path)
    assert result.format == "COCO 1.0" and result.labels == dict.fromkeys(LABELS, "") and not result.undrawn
    assert [image.name for image in result.images] == list(truth)
    for image in result.images:
        assert (image.subset, image.task, image.member) == ("train", "", f"images/train/{image.name}")
        same(image, *truth[image.name])


def test_polygons_of_several_rings_and_boxes_and_both_subsets(tmp_path: Path) -> None:
    import datumaro as dm

    parts = [dm.Polygon(SQUARE, label=1, group=3), dm.Polygon([10, 8, 14, 8, 14, 12, 10, 12], label=1, group=3)]
    items = [
        item("a.png", [*parts, dm.Bbox(1, 1, 4, 4, label=0), dm.Points([1, 1], label=0)], "Train"),
        item("a.png", [dm.Polygon([0, 0, 20, 0, 20, 16, 0, 16], label=2)], "Validation"),
    ]
    result = parsed(export(tmp_path / "coco", "coco_instances", items, save_media=True))
    train, validation = result.images
    assert (train.subset, validation.subset) == ("Train", "Validation") and train.name == validation.name == "a.png"
    labels, objects = drawn(train)
    expected = np.full((16, 20), 255)
    expected[2:6, 2:8] = expected[8:12, 10:14] = 1
    np.testing.assert_array_equal(labels, expected)
    assert areas(objects) == {(expected == 1).tobytes()}
    assert (drawn(validation)[0] == 2).all()
    assert result.undrawn == {"box": 1}


def test_every_file_that_datumaro_writes_is_drawn_once_and_the_rest_is_counted(tmp_path: Path) -> None:
    import datumaro as dm

    area = dm.Polygon(SQUARE, label=1)
    notes = [dm.Caption("a road"), dm.Label(1), dm.Label(2)]
    items = [item("a.jpg", [area, *notes], "train")]
    result = parsed(export(tmp_path / "coco", "coco", items, save_media=True))
    assert len(result.images) == 1 and len(shapes(result)) == 1
    assert result.undrawn == {"caption": 1, "tag": 2}
    assert result.notes == {"areas of annotations/stuff_train.json left out: another file has those of its subset": 1}


def test_run_lengths_compressed_or_not_are_the_same_and_crowds_are_marked(tmp_path: Path) -> None:
    labels, _ = masks(3)
    area = np.asfortranarray(labels == 1, np.uint8)
    compressed = {"size": [16, 20], "counts": tools.encode(area)["counts"].decode()}
    flat = area.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
    plain = {"size": [16, 20], "counts": np.diff(edges, prepend=0).tolist()}
    result = parsed(alone(tmp_path / "x", {"segmentation": compressed}, {"segmentation": plain, "iscrowd": 1}))
    first, second = (shape.outline for shape in shapes(result))
    assert isinstance(first, Runs) and isinstance(second, Runs)
    np.testing.assert_array_equal(first.lengths, second.lengths)
    assert [shape.crowd for shape in shapes(result)] == [False, True]
    drawn_labels, drawn_objects = drawn(result.images[0])
    np.testing.assert_array_equal(drawn_labels == 0, labels == 1)
    assert not drawn_objects.any()


def test_a_mask_of_cvat_is_an_object_though_datumaro_calls_it_a_crowd(tmp_path: Path) -> None:
    path = export(tmp_path / "x", "coco_instances", [item("a.png", mask_items(*masks(1)), "train")], save_media=True)
    assert {one["iscrowd"] for one in json.loads((path / FILE).read_text())["annotations"]} == {1}
    assert not any(shape.crowd for shape in shapes(parsed(path)))


def test_an_export_without_photographs_says_so(tmp_path: Path) -> None:
    path = export(tmp_path / "x", "coco_instances", [item("a.png", mask_items(*masks(1)))], save_media=False)
    image = parsed(path).images[0]
    assert (image.name, image.member, image.width, image.height) == ("a.png", None, 20, 16)


@pytest.mark.parametrize(
    ("file", "photograph", "subset"),
    [
        ("annotations/instances_a b.json", "images/a b/a.png", "a b"),
        ("annotations/train.json", "images/a.png", "train"),
        ("train/_annotations.coco.json", "train/a.png", "train"),
        ("result.json", "images/a.png", ""),
        ("labels.json", "a.png", ""),
    ],
)
def test_the_layouts_of_other_tools(tmp_path: Path, file: str, photograph: str, subset: str) -> None:
    path = written(tmp_path / "x", {file: document({"segmentation": [SQUARE]}), photograph: photo()})
    (image,) = parsed(path).images
    assert (image.subset, image.member) == (subset, photograph)


@pytest.mark.parametrize("subset", ["train", "valid", "test"])
def test_a_zip_of_one_subset_of_roboflow_keeps_it(tmp_path: Path, subset: str) -> None:
    files: dict[str, Any] = {
        f"{subset}/_annotations.coco.json": document({"segmentation": [SQUARE]}),
        f"{subset}/a.png": photo(),
    }
    for folder, inner in ((tmp_path / "x", ""), (tmp_path / "y/again", "again/")):
        written(folder, files)
        (image,) = parsed(zipped(folder.parent if inner else folder)).images
        assert (image.subset, image.member) == (subset, f"{subset}/a.png")


def test_label_studio_on_windows_writes_backslashes(tmp_path: Path) -> None:
    said = document({"segmentation": [SQUARE]})
    said["images"][0]["file_name"] = "images\\a.png"
    (image,) = parsed(written(tmp_path / "x", {"result.json": said, "images/a.png": photo()})).images
    assert (image.name, image.member) == ("images/a.png", "images/a.png")
    said["images"][0]["file_name"] = "images\\..\\..\\a.png"
    assert "a relative path without" in refusal(coco.read, written(tmp_path / "y", {"result.json": said}))


def test_annotations_without_an_area_are_counted_by_kind(tmp_path: Path) -> None:
    box = {"segmentation": [], "bbox": [1, 2, 3, 4]}
    skeleton = {"keypoints": [1, 1, 2], "num_keypoints": 1, "bbox": [1, 2, 3, 4], "segmentation": []}
    result = parsed(alone(tmp_path / "x", box, box, skeleton, {}, {"segmentation": [SQUARE], **{"keypoints": [1]}}))
    assert result.undrawn == {"box": 2, "skeleton": 1, "tag": 1}
    assert result.undrawn_at["box"].endswith(f"{FILE}: image 'a.png': annotation 0") and len(shapes(result)) == 1


def rle(counts: Any, size: Any = (16, 20)) -> dict[str, Any]:
    """An annotation with run lengths."""
    return {"segmentation": {"size": list(size), "counts": counts}}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ({"segmentation": [SQUARE], "category_id": 13}, "a label's id among the export's (10, 11, 12), found 13"),
        ({"segmentation": [SQUARE], "category_id": True}, "found True"),
        ({"segmentation": [SQUARE], "image_id": 8}, "the id of an image as image_id, found 8"),
        ({"segmentation": [[1, 1, float("nan"), 5, 5, 5]]}, "finite numbers as points, found nan"),
        ({"segmentation": [[1, 1, 5, float("inf"), 5, 5]]}, "finite numbers as points, found inf"),
        ({"segmentation": [[1, 1, 5, "5", 5, 5]]}, "a list of numbers as points"),
        ({"segmentation": [[1, 1, 5, [5], 5, 5]]}, "a list of numbers as points"),
        ({"segmentation": [[1, 1, 5, 5]]}, "three or more points `x, y, x, y, ...`, found 4 numbers"),
        ({"segmentation": [[1, 1, 5, 5, 4, 4, 3]]}, "found 7 numbers"),
        ({"segmentation": [[1, 1, 5, 5, 4, 33]]}, "points within -16 to 32, found 33"),
        ({"segmentation": SQUARE}, "polygons `[[x, y, ...], ...]`"),
        ({"segmentation": "x"}, "polygons `[[x, y, ...], ...]`"),
        (rle([0, 319]), "run lengths of 320 pixels (20x16), found 319"),
        (rle([0, 321]), "run lengths from 0 to 320, found 321"),
        (rle([400, -80]), "run lengths from 0 to 320, found 400"),
        (rle([0, 320], (20, 16)), "a mask of the image's size [16, 20], found [20, 16]"),
        (rle([0, 320], (16, 21)), "found [16, 21]"),
        (rle([0, 320.0]), "a list of whole numbers"),
        (rle([2**70]), "a list of whole numbers"),
        (rle(None), "a list of whole numbers"),
        (rle("PP"), "run lengths that pycocotools wrote"),
        (rle("é"), "run lengths that pycocotools wrote"),
        (rle(""), "an empty string"),
        (rle("11"), "run lengths of 320 pixels (20x16), found 2"),
        (rle("ooooooooo0"), "a number of 10 digits"),
    ],
)  # fmt: skip
def test_a_broken_annotation_is_named(tmp_path: Path, annotation: dict[str, Any], expected: str) -> None:
    path = alone(tmp_path / "x", {"segmentation": [SQUARE]}, annotation)
    message = refusal(coco.read, path)
    assert expected in message and FILE in message and "annotation 1" in message
    assert "image 'a.png'" in message or "image_id" in message


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The file after a change."""
    result = document({"segmentation": [SQUARE]})
    change(result)
    return result


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"images": [], "annotations": [', "well-formed JSON"),
        (b'\xff{"images": [], "annotations": []}', "well-formed JSON"),
        ('{"images": [], "annotations": [' + "[" * 100_000, "well-formed JSON"),
        ('{"images": [], "categories": []}', "a list of objects under 'annotations', found nothing"),
        (document(images=[1]), "a list of objects under 'images', found [1]"),
        (changed(lambda d: d["images"].append(d["images"][0])), "each image id once"),
        (changed(lambda d: d["images"].append(d["images"][0] | {"id": 8})), "each image name once"),
        (changed(lambda d: d["categories"].append({"id": 10, "name": "x"})), "each category id once"),
        (changed(lambda d: d["categories"].append({"id": 9, "name": "car"})), "each category name once, found 'car'"),
        (changed(lambda d: d["categories"].append({"id": 9})), "categories with names"),
        (changed(lambda d: d["images"][0].update(width=0)), "width and height from 1"),
        (changed(lambda d: d["images"][0].update(height="16")), "width and height from 1"),
        (changed(lambda d: d["images"][0].update(width=21)), "a photograph of 21x16, as the annotations say, found 20"),
        (changed(lambda d: d["images"][0].update(file_name="../a.png")), "without `..`"),
        (changed(lambda d: d["images"][0].update(file_name="b.png")), "its photograph, images/train/b.png, found none"),
        (changed(lambda d: d["images"][0].update(id=None)), "a whole number as id"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(tmp_path: Path, content: Any, expected: str) -> None:
    path = written(tmp_path / "x", {FILE: content, "images/train/a.png": photo()})
    message = refusal(coco.read, path)
    assert expected in message and FILE in message


def test_photographs_that_no_file_names_are_counted(tmp_path: Path) -> None:
    path = written(alone(tmp_path / "x"), {"images/train/b.png": photo(), "annotations/panoptic_train/a.png": photo()})
    assert parsed(path).notes == {"photographs left out: the labels do not name them": 1}


def test_two_files_of_one_subset(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {FILE: document(), "annotations/train.json": document(), "a.png": photo()})
    assert "one file of the subset 'train'" in refusal(coco.read, path)


def test_other_json_is_not_coco(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {"task.json": {"name": "x"}, "annotations/default.json": {"items": []}})
    with opened(path) as found:
        assert not coco.matches(found)


def test_an_outline_that_would_take_forever_to_draw(tmp_path: Path) -> None:
    wide = document({"segmentation": [[0, 0, 1 << 19, 1] * 600]})
    wide["images"][0] |= {"width": 1 << 19, "height": 16}
    message = refusal(coco.read, written(tmp_path / "x", {FILE: wide}))
    assert "an outline of at most 268435456 pixels, found one of 628621312" in message


def test_a_polygon_keeps_its_points(tmp_path: Path) -> None:
    outline = shapes(parsed(alone(tmp_path / "x", {"segmentation": [[1.5, 2, 3, 4.25, 5, 6]]})))[0].outline
    assert isinstance(outline, Polygon)
    np.testing.assert_array_equal(outline.rings[0], [[1.5, 2], [3, 4.25], [5, 6]])
