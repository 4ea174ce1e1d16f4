"""Shapes become the pixels that a person would colour by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pixelproof.data.dataset import (
    IGNORE,
    UNSPLIT,
    read_header,
    read_image,
    read_instances,
    read_mask,
    read_split,
    verify,
)
from pixelproof.data.images import Array
from pixelproof.data.outlines import Ellipse, Polygon, area, run_lengths
from stages.cvat.convert import convert
from stages.cvat.params import Cvat
from tests.stages.cvat.fake import LABELS, FakeExport, encoded, params, picture, shape, square

ROAD, CAR, LAKE = 0, 1, 2


def masks(tmp_path: Path, *shapes: str, section: Cvat | None = None) -> tuple[Array, Array | None]:
    """The mask and instances of one image with these shapes."""
    export = FakeExport().add("a/1.png", *shapes).zip(tmp_path / "one.zip")
    convert([export], tmp_path / "out", section or params())
    (sample,) = read_split(tmp_path / "out", UNSPLIT)
    return read_mask(tmp_path / "out", UNSPLIT, sample, 3), read_instances(tmp_path / "out", UNSPLIT, sample)


def drawn(*rows: str) -> Array:
    """A 20x16 mask from rows of `.` (ignored), `r`, `c` and `l`; rows and columns that are left out are ignored."""
    mask = np.full((16, 20), IGNORE, np.uint8)
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            mask[y, x] = {".": IGNORE, "r": ROAD, "c": CAR, "l": LAKE}[letter]
    return mask


def test_polygon_covers_the_pixels_whose_centres_it_holds(tmp_path: Path) -> None:
    mask, _ = masks(tmp_path, shape("polygon", points="0,0;4,0;4,2;6,2;6,4;0,4"))
    assert (mask == drawn("rrrr", "rrrr", "rrrrrr", "rrrrrr")).all()  # cv2.fillPoly would give 5 and 7 columns


def test_neighbours_that_share_an_edge_share_no_pixel_and_leave_none(tmp_path: Path) -> None:
    both = (shape("polygon", points=square(1, 1, 4, 3)), shape("polygon", "lake", points=square(4, 1, 7, 3)))
    assert (masks(tmp_path, *both)[0] == masks(tmp_path, *reversed(both))[0]).all()
    assert (masks(tmp_path, *both)[0] == drawn("", ".rrrlll", ".rrrlll")).all()


def test_box_turned_box_ellipse_and_brushed_mask(tmp_path: Path) -> None:
    mask, _ = masks(
        tmp_path,
        shape("box", xtl=1, ytl=0, xbr=3, ybr=2),
        shape("box", "lake", xtl=1, ytl=5, xbr=5, ybr=7, rotation=90),  # about 3,6: 2 to 4 across, 4 to 8 down
        shape("ellipse", "car", cx=10, cy=6, rx=2, ry=1.2),
        shape("mask", "road", rle="1, 2, 1, 3, 2", left=14, top=3, width=3, height=3),
    )
    assert (
        mask
        == drawn(
            ".rr",
            ".rr",
            "",
            "...............rr",
            "..ll...........rr",
            "..ll....cccc..r",
            "..ll....cccc",
            "..ll",
        )
    ).all()


def test_higher_z_order_lies_on_top_and_ties_go_to_the_later_shape(tmp_path: Path) -> None:
    mask, _ = masks(
        tmp_path,
        shape("box", "car", xtl=0, ytl=0, xbr=3, ybr=1, z_order=2),
        shape("box", "road", xtl=1, ytl=0, xbr=5, ybr=1, z_order=-1),
        shape("ellipse", "lake", cx=5.9, cy=0.5, rx=0.9, ry=0.4, z_order=-1),
        shape("polygon", "road", points=square(6, 0, 8, 1), z_order=-1),
    )
    assert (mask == drawn("cccrrlrr")).all()  # the ellipse lies over 5 and 6, the road after it over 6


def test_background_is_the_class_that_params_name(tmp_path: Path) -> None:
    mask, _ = masks(tmp_path, shape("box", xtl=0, ytl=0, xbr=2, ybr=2), section=params(background="lake"))
    assert (mask[:2, :2] == ROAD).all() and (np.delete(mask.ravel(), [0, 1, 20, 21]) == LAKE).all()


def test_instances_are_shapes_of_things_and_a_group_is_one(tmp_path: Path) -> None:
    _, instances = masks(
        tmp_path,
        shape("box", "car", xtl=9, ytl=0, xbr=10, ybr=1),  # hidden by the next one
        shape("box", "car", xtl=9, ytl=0, xbr=11, ybr=1),
        shape("box", "car", xtl=0, ytl=0, xbr=2, ybr=1, group_id=7),
        shape("box", "road", xtl=1, ytl=0, xbr=3, ybr=1, group_id=7),
        shape("box", "car", xtl=4, ytl=0, xbr=5, ybr=1, group_id=7),
    )
    assert instances is not None and instances.dtype == np.uint16
    assert instances[0, :12].tolist() == [2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0]


def test_a_group_of_two_labels_is_an_instance_of_each(tmp_path: Path) -> None:
    classes = [{"name": name, "color": color, "thing": True} for name, color in LABELS.items()]
    _, instances = masks(
        tmp_path,
        shape("box", "car", xtl=0, ytl=0, xbr=2, ybr=1, group_id=7),
        shape("box", "lake", xtl=2, ytl=0, xbr=4, ybr=1, group_id=7),
        shape("box", "car", xtl=5, ytl=0, xbr=6, ybr=1, group_id=7),
        section=params(classes=classes),
    )
    assert instances is not None and instances[0, :7].tolist() == [1, 1, 2, 2, 0, 1, 0]


corner = st.tuples(st.floats(-5, 25), st.floats(-5, 21)).map(lambda p: (round(p[0], 2), round(p[1], 2)))


@settings(max_examples=25)
@given(st.lists(corner, min_size=3, max_size=6))
def test_any_polygon_agrees_with_the_distance_to_its_outline(corners: list[tuple[float, float]]) -> None:
    from pycocotools import mask as coco

    hull = cv2.convexHull(np.array(corners, np.float32))
    assume(hull is not None and len(hull) >= 3)
    polygon = Polygon((hull.reshape(-1, 2).astype(np.float64),))
    inside = np.zeros((16, 20), bool)
    window, part = area(polygon, 20, 16)
    inside[window] = part
    whole = coco.decode(coco.merge(coco.frPyObjects([polygon.rings[0].ravel().tolist()], 16, 20)))
    assert (inside == whole).all()  # drawing the window alone changes none
    for y in range(16):
        for x in range(20):
            distance = cv2.pointPolygonTest(hull, (x + 0.5, y + 0.5), True)
            assert abs(distance) < 0.75 or inside[y, x] == (distance > 0)


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0, 135.0])
def test_ellipse_agrees_with_opencv_but_for_its_edge(turn: float) -> None:
    ours = np.zeros((64, 64), bool)
    window, part = area(Ellipse(31.5, 30.5, 20, 9, turn), 64, 64)
    ours[window] = part
    theirs = np.zeros((64, 64), np.uint8)
    cv2.ellipse(theirs, (31, 30), (20, 9), turn, 0, 360, 1, -1)
    edge = cv2.morphologyEx(theirs, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    assert (ours == theirs.astype(bool))[edge == 0].all()
    assert ours.sum() == pytest.approx(np.pi * 20 * 9, rel=0.02)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_run_lengths_say_what_they_came_from(pixels: list[bool]) -> None:
    runs = [int(run) for run in run_lengths(np.array([pixels])).split(",")]
    assert np.repeat(np.arange(len(runs)) % 2 == 1, runs).tolist() == pixels


def test_images_and_index(tmp_path: Path) -> None:
    export = FakeExport().add("flight 3/0001.png").add("flight 3/0002.JPG").add("b/c/0001.jpeg").add("0001.bmp")
    other = FakeExport(meta="project").add("0002.png", task_id=7, subset="Train")
    other.files = {"images/Train/0002.png": encoded(20, 16)}
    written = [export.folder(tmp_path / "x"), other.zip(tmp_path / "y.zip")]
    convert(written, tmp_path / "out", params())
    verify(tmp_path / "out", (UNSPLIT, "train"))
    assert [(s.id, s.group) for s in read_split(tmp_path / "out", "train")] == [("0002", "task-7")]  # the user's split
    samples = {s.id: s for s in read_split(tmp_path / "out", UNSPLIT)}
    groups = {
        "0001": "x",
        "b-c-0001": "b/c",
        "flight-3-0001": "flight 3",
        "flight-3-0002": "flight 3",
    }
    assert {name: sample.group for name, sample in samples.items()} == groups
    images = tmp_path / "out/all/images"
    assert (images / "flight-3-0001.png").read_bytes() == export.files["images/flight 3/0001.png"]
    assert (images / "flight-3-0002.jpg").read_bytes() == export.files["images/flight 3/0002.JPG"]
    assert (images / "b-c-0001.jpg").read_bytes() == export.files["images/b/c/0001.jpeg"]
    bmp = read_image(tmp_path / "out", UNSPLIT, samples["0001"])
    assert (bmp == cv2.cvtColor(picture(20, 16, seed=4), cv2.COLOR_BGR2RGB)).all()
    assert sorted(p.name for p in (tmp_path / "out/all").iterdir()) == ["images", "index.csv", "instances", "masks"]
    assert [c.color for c in read_header(tmp_path / "out").classes] == [(128, 64, 128), (250, 200, 30), (40, 110, 220)]


def test_groups_by_export_and_by_image(tmp_path: Path) -> None:
    exports = [FakeExport().add("1.png").add("2.png").zip(tmp_path / f"{name}.zip") for name in ("north", "south")]
    convert(exports, tmp_path / "out", params(group="export"))
    assert {s.id: s.group for s in read_split(tmp_path / "out", UNSPLIT)} == {
        "north-1": "north", "north-2": "north", "south-1": "south", "south-2": "south",
    }  # fmt: skip
    convert(exports[:1], tmp_path / "out", params(group="image"))
    assert {s.id: s.group for s in read_split(tmp_path / "out", UNSPLIT)} == {"1": "1", "2": "2"}
