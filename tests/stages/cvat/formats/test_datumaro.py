"""Datumaro 1.0: what Datumaro writes comes back, to the pixel, and what is broken is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.data.outlines import Box, Ellipse, Polygon
from stages.cvat.formats import coco, datumaro
from stages.cvat.model import Parsed, Shape
from tests.stages.cvat.formats.made import (
    LABELS,
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
)

FILE = "annotations/default.json"
POINTS = [2, 2, 8, 2, 8, 6, 2, 6]


def parsed(path: Path) -> Parsed:
    """What the reader says."""
    with opened(path) as found:
        assert datumaro.matches(found) and not coco.matches(found)
        return datumaro.read(found)


def shapes(result: Parsed) -> tuple[Shape, ...]:
    """The shapes of the only image."""
    (image,) = result.images
    assert isinstance(image.labels, tuple)
    return image.labels


def document(*annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A file as CVAT's Datumaro writes it, with one image; changes are those of its item."""
    labels = [{"name": name, "parent": "", "attributes": []} for name in LABELS]
    image = {"path": "a.png", "size": [16, 20]}
    numbered = [{"type": "polygon", "label_id": 0, "z_order": 0, "group": 0, **one} for one in annotations]
    one = {"id": "a", "annotations": numbered, "attr": {"frame": 5}, "image": image} | changes
    return {"info": {}, "categories": {"label": {"labels": labels, "attributes": []}}, "items": [one]}


def alone(folder: Path, *annotations: dict[str, Any], **changes: Any) -> Path:
    """An export of that file and its photograph."""
    return written(folder, {FILE: document(*annotations, **changes), "images/default/a.png": photo()})


def test_masks_come_back_to_the_pixel_through_datumaro_and_a_zip(tmp_path: Path) -> None:
    truth = {f"flight 1/{name}.png": masks(seed) for seed, name in enumerate(("a", "图片"))}
    items = [item(name, mask_items(*pair), "Train") for name, pair in truth.items()]
    result = parsed(zipped(export(tmp_path / "x", "datumaro", items, save_media=True)))
    assert result.format == "Datumaro 1.0" and result.labels == dict.fromkeys(LABELS, "") and not result.undrawn
    assert [image.name for image in result.images] == list(truth)
    for image in result.images:
        flat = image.name.replace("/", "_")
        assert (image.subset, image.task, image.member) == ("Train", "", f"images/Train/{flat}")
        same(image, *truth[image.name])


def test_every_kind_of_shape_with_its_order_and_group(tmp_path: Path) -> None:
    import datumaro as dm

    areas = [
        dm.Polygon([0, 0, 20, 0, 20, 16, 0, 16], label=0, z_order=1, group=4),
        dm.Polygon(POINTS, label=1, z_order=2, attributes={"is_crowd": True}),
        dm.Bbox(1, 2, 3, 4, label=2, z_order=-1, attributes={"rotation": 30.0}),
        dm.Ellipse(2, 4, 8, 14, label=2),
    ]
    others = [
        dm.Points([1, 1], label=0), dm.PolyLine([1, 1, 2, 2], label=0), dm.Label(1), dm.Caption("x"),
        dm.Cuboid3d([1, 1, 1], label=0), dm.Label(2),
    ]  # fmt: skip
    items = [item("a.png", areas + others), item("b.png", [], "Validation", 30, 10)]
    result = parsed(export(tmp_path / "x", "datumaro", items, save_media=True))
    assert result.undrawn == {"points": 1, "polyline": 1, "tag": 2, "caption": 1, "cuboid": 1}
    second, first = result.images
    assert (second.subset, second.labels, second.width, second.height) == ("Validation", (), 30, 10)
    assert isinstance(first.labels, tuple)
    polygon, crowd, box, ellipse = first.labels
    assert (polygon.label, polygon.z, polygon.group, polygon.crowd) == ("road", 1, 4, False)
    assert (crowd.label, crowd.z, crowd.group, crowd.crowd) == ("car", 2, 0, True)
    assert box == Shape("lake", Box(1, 2, 4, 6, 30), z=-1)
    assert ellipse == Shape("lake", Ellipse(5, 9, 3, 5))


def test_a_higher_order_lies_on_top(tmp_path: Path) -> None:
    whole = {"points": [0, 0, 20, 0, 20, 16, 0, 16], "label_id": 2}
    result = parsed(alone(tmp_path / "x", {"points": POINTS, "z_order": 1}, whole))
    labels, _ = drawn(result.images[0])
    expected = np.full((16, 20), 2)
    expected[2:6, 2:8] = 0
    np.testing.assert_array_equal(labels, expected)


def test_the_layout_of_cvat_keeps_folders_and_frames(tmp_path: Path) -> None:
    changes = {"id": "video 1/frame_000005", "image": {"path": "video 1/frame_000005.PNG", "size": [16, 20]}}
    path = written(tmp_path / "x", {FILE: document(**changes), "images/default/video 1/frame_000005.PNG": photo()})
    (image,) = parsed(path).images
    assert (image.name, image.frame) == ("video 1/frame_000005.PNG", 5)
    assert image.member == "images/default/video 1/frame_000005.PNG"
    (image,) = parsed(alone(tmp_path / "y")).images
    assert (image.name, image.frame) == ("a.png", None)


def test_without_photographs_the_extension_may_be_unknown(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {FILE: document(image={"path": "", "size": [16, 20]})})
    (image,) = parsed(path).images
    assert (image.name, image.member, image.width, image.height) == ("a", None, 20, 16)


def test_a_size_that_is_not_said_is_the_photographs(tmp_path: Path) -> None:
    (image,) = parsed(alone(tmp_path / "x", image={"path": "a.png"})).images
    assert (image.width, image.height) == (20, 16)


def test_colours_and_the_points_of_skeletons(tmp_path: Path) -> None:
    content = document({"points": POINTS, "label_id": 3})
    content["categories"]["label"]["labels"] += [{"name": "1", "parent": "car"}, {"name": "2", "parent": "car"}]
    content["categories"]["mask"] = {"colormap": [{"label_id": 1, "r": 250, "g": 200, "b": 30}]}
    result = parsed(written(tmp_path / "x", {FILE: content}))
    assert result.labels == {"road": "", "car": "#fac81e", "lake": "", "1": ""}
    assert [shape.label for shape in shapes(result)] == ["1"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ({"points": POINTS, "label_id": 3}, "a label's id among the export's (0, 1, 2), found 3"),
        ({"points": POINTS, "label_id": None}, "found nothing"),
        ({"points": POINTS, "label_id": -1}, "found -1"),
        ({"points": POINTS, "z_order": 1.5}, "a whole number as z_order, found 1.5"),
        ({"points": POINTS, "group": "x"}, "a whole number as group"),
        ({"points": POINTS, "attributes": [1]}, "attributes by name"),
        ({"points": [1, 1, float("nan"), 5, 5, 5]}, "finite numbers as points, found nan"),
        ({"points": [1, 1, 5, 5]}, "three or more points"),
        ({"points": [1, 1, 5, 5, 4, 33]}, "points within -16 to 32, found 33"),
        ({}, "a list of numbers as points, found nothing"),
        ({"type": "blob"}, "one of polygon, mask, bbox, ellipse, points, "),
        ({"type": None}, "cuboid_3d, found 'None'"),
        ({"type": "mask", "rle": {"size": [16, 20], "counts": "11"}}, "run lengths of 320 pixels (20x16), found 2"),
        ({"type": "mask", "rle": {"size": [20, 16], "counts": "11"}}, "a mask of the image's size [16, 20]"),
        ({"type": "mask"}, "a mask of the image's size"),
        ({"type": "bbox", "bbox": [1, 2, 3]}, "four numbers as bbox, found 3"),
        ({"type": "bbox", "bbox": [1, 2, -3, 4]}, "width and height from 0, found -3.0 and 4.0"),
        ({"type": "bbox", "bbox": [1, 2, 40, 4]}, "points within -20 to 40, found 41"),
        ({"type": "bbox", "bbox": [1, 2, 3, 4], "attributes": {"rotation": "x"}}, "a list of numbers as rotation"),
        (
            {"type": "bbox", "bbox": [1, 2, 3, 4], "attributes": {"rotation": float("inf")}},
            "finite numbers as rotation",
        ),
        ({"type": "ellipse", "points": [1, 2, 1, 4]}, "an ellipse with an area, found 0.0x2.0"),
        ({"type": "ellipse", "points": [3, 2, 1, 4]}, "width and height from 0"),
    ],
)
def test_a_broken_annotation_is_named(tmp_path: Path, annotation: dict[str, Any], expected: str) -> None:
    message = refusal(datumaro.read, alone(tmp_path / "x", {"points": POINTS}, annotation))
    assert expected in message and f"{FILE}: image 'a.png': annotation 1 (" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": "../a"}, "without `..`"),
        ({"id": None}, "an image's name"),
        ({"image": None}, "an image, found nothing"),
        ({"image": None, "point_cloud": {}}, "an image, found point_cloud"),
        ({"image": {"path": "a.png", "size": [16]}}, "its size: [height, width], found [16]"),
        ({"image": {"path": "a.png", "size": [0, 20]}}, "width and height from 1"),
        ({"image": {"path": "a.png", "size": [17, 20]}}, "a photograph of 20x17, as the annotations say, found 20x16"),
        ({"image": {"path": "a.jpg", "size": [16, 20]}}, "its photograph, images/default/a.jpg, found none"),
        ({"annotations": None}, "a list of objects under 'annotations'"),
    ],
)
def test_a_broken_image_is_named(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    message = refusal(datumaro.read, alone(tmp_path / "x", **changes))
    assert expected in message and FILE in message


def test_broken_files_are_named(tmp_path: Path) -> None:
    content = document()
    content["items"] *= 2
    path = written(tmp_path / "x", {FILE: content, "images/a.png": photo()})
    assert "image 'a.png': expected each image name once" in refusal(datumaro.read, path)
    content = document()
    content["categories"]["label"]["labels"][0] = {"name": 3}
    path = written(tmp_path / "y", {FILE: content})
    assert "labels with names" in refusal(datumaro.read, path)
    path = written(tmp_path / "z", {FILE: '{"categories": {}, "items": [{}'})
    assert "well-formed JSON" in refusal(datumaro.read, path)
    path = written(tmp_path / "v", {FILE: document(), "default.json": document()})
    assert "each subset once, found 'default' twice" in refusal(datumaro.read, path)


def test_a_polygon_keeps_its_points(tmp_path: Path) -> None:
    outline = shapes(parsed(alone(tmp_path / "x", {"points": [1.5, 2, 3, 4.25, 5, 6]})))[0].outline
    assert isinstance(outline, Polygon)
    np.testing.assert_array_equal(outline.rings[0], [[1.5, 2], [3, 4.25], [5, 6]])
