"""`pixelproof cvat label`: k-means that knows three colours, so that every shape can be worked out by hand."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cvat_sdk.masks import decode_mask
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle
from scipy import ndimage
from skimage.draw import polygon2mask

from commands.__main__ import main
from commands._cvat.shapes import Counts, Rules, draw
from pixelproof.core.errors import DataError, PixelproofError, StateError
from pixelproof.data.dataset import ClassInfo, Header, read_header, write_header
from pixelproof.networks.kmeans import RARE
from stages.evaluate.predict import Prediction
from tests.commands.colours import COLOURS, HEADER, publish_panoptic
from tests.commands.cvat_place import server
from tests.commands.test_predict import root
from tests.cvat_faults import cut, hang_up, status
from tests.cvat_server import TOKEN, CvatServer, Task

__all__ = ["root", "server"]

TOMATO, GRASS, LAKE = 0, 1, 2
SURE = 1 / (1 + 2 * RARE)  # what k-means says of each pixel
LABELS = [{"id": 31, "name": "lake", "type": "any"}, {"id": 30, "name": "tomato", "type": "any"}]


def field() -> NDArray[np.uint8]:
    """A lake with two tomatoes, one too small to count, and a strip of grass that cuts off a corner of the lake."""
    classes = np.full((32, 48), LAKE, np.uint8)
    classes[4:14, 4:14] = TOMATO
    classes[14:22, 14:24] = TOMATO  # touches the first by a corner: 8 neighbours make them one
    classes[4:14, 30:40] = TOMATO
    classes[20:23, 40:43] = TOMATO
    classes[24:28] = GRASS
    return classes


def photo(classes: NDArray[np.uint8], **how: Any) -> bytes:
    """Its photograph."""
    content = io.BytesIO()
    Image.fromarray(COLOURS[classes]).save(content, "PNG", **how)
    return content.getvalue()


@pytest.fixture
def task(server: CvatServer, root: Path) -> Task:
    """Three frames in two chunks; of the classes, tomatoes are things and grass is no label of the task."""
    infos = tuple(ClassInfo(each.id, each.name, each.color, thing=each.id == TOMATO) for each in HEADER.classes)
    write_header(root / "data/prepared", Header("tiny", infos))
    blank = np.full((32, 48), LAKE, np.uint8)
    frames = {"a.png": photo(field()), "b.png": photo(blank), "c.png": photo(field())}
    server.tasks[7] = Task(7, frames, [], None, (48, 32), LABELS)
    return server.tasks[7]


def run(*arguments: object) -> None:
    """The command."""
    main(["cvat", "label", "--task", "7", "--arch", "kmeans", *map(str, arguments)])


def areas(task: Task, frame: int, label: int) -> list[NDArray[np.bool_]]:
    """The masks of a label in a frame."""
    of = [each["points"] for each in task.shapes if (each["frame"], each["label_id"]) == (frame, label)]
    return [decode_mask([int(value) for value in points], image_width=48, image_height=32) for points in of]


def test_things_come_one_by_one_and_the_rest_as_one_mask_with_scores(
    task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    classes = field()
    left, right = np.zeros((2, 32, 48), bool)
    left[:, :25], right[:, 30:40] = (classes == TOMATO)[:, :25], (classes == TOMATO)[:, 30:40]
    for frame in (0, 2):
        tomatoes = areas(task, frame, 30)
        assert len(tomatoes) == 2 and (tomatoes[0] == left).all() and (tomatoes[1] == right).all()
        (lake,) = areas(task, frame, 31)
        assert (lake == (classes == LAKE)).all()  # both sides of the grass
    assert (areas(task, 1, 31)[0]).all() and len(task.shapes) == 7
    assert {each["source"] for each in task.shapes} == {"auto"} and {each["type"] for each in task.shapes} == {"mask"}
    assert np.allclose([each["score"] for each in task.shapes], SURE, atol=1e-6)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "task 7: 7 masks added in 3 frames: tomato 4, lake 3",
        "left out: 0 below 0.5, 2 parts below 64 pixels",
    ]
    assert "not drawn, as task 7 has no label of this name: grass" in said.err.splitlines()


def test_a_dry_run_counts_the_same_and_uploads_nothing(
    server: CvatServer, task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--dry-run", "--min-area", 9)
    assert capsys.readouterr().out.splitlines()[0] == "task 7: 9 masks counted in 3 frames: tomato 6, lake 3"
    assert not task.shapes and server.count("PATCH") == 0
    run("--min-area", 9)
    assert len(task.shapes) == 9 and server.count("PATCH") == 1


def test_a_network_that_learns_objects_draws_each_as_its_own_mask(task: Task, root: Path) -> None:
    """The same that `predict` writes of the frame."""
    publish_panoptic(root)
    arch = "panoptic-deeplab-r18"
    main(["cvat", "label", "--task", "7", "--arch", arch, "--threshold", "0.3", "--min-area", "1"])
    for name, content in task.frames.items():
        (root / "frames").mkdir(exist_ok=True)
        (root / "frames" / name).write_bytes(content)
    main(["predict", str(root / "frames"), "--arch", arch, "--out", str(root / "out")])
    written = json.loads((root / "out/objects.json").read_text())
    for frame in range(3):
        wanted = [rle.decode(one["segmentation"]) > 0 for one in written["annotations"] if one["image_id"] == frame + 1]
        drawn = areas(task, frame, 30)
        sure = [one["score"] >= 0.3 for one in written["annotations"] if one["image_id"] == frame + 1]
        assert len(drawn) == sum(sure) > 0
        kept = [mask for mask, good in zip(wanted, sure, strict=True) if good]
        assert all((one == other).all() for one, other in zip(drawn, kept, strict=True))


def test_nothing_is_added_twice_and_what_people_drew_stays(
    server: CvatServer, task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = {"type": "rectangle", "label_id": 30, "frame": 2, "points": [1.0, 1.0, 5.0, 5.0], "source": "manual"}
    attributes: dict[str, Any] = {"attributes": [], "group": 0, "occluded": False, "outside": False, "elements": []}
    task.shapes.append({**drawn, **attributes, "id": 1})
    run()
    assert "1 frames that people have labelled stay as they are" in capsys.readouterr().out
    first = list(task.shapes)
    assert [each["frame"] for each in first] == [2, 0, 0, 0, 1]
    with pytest.raises(StateError, match="task 7: it holds 4 automatic shapes already; --replace puts new ones"):
        run()
    assert task.shapes == first
    run("--replace", "--as", "polygon")
    assert task.shapes[0] == first[0] and [each["type"] for each in task.shapes[1:]] == ["polygon"] * 5
    assert server.count("action=delete") == 1


def test_polygons_follow_the_edges_of_pixels(task: Task) -> None:
    run("--as", "polygon")
    tomatoes = [each["points"] for each in task.shapes if (each["frame"], each["label_id"]) == (0, 30)]
    corners = {tuple(pair) for pair in np.array(tomatoes[1]).reshape(-1, 2)}
    assert corners == {(30, 4), (40, 4), (40, 14), (30, 14)}
    assert len([each for each in task.shapes if (each["frame"], each["label_id"]) == (0, 31)]) == 2  # both sides


@pytest.mark.parametrize("seed", range(8))
def test_shapes_of_any_outline_equal_independent_rasterisers(seed: int) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(60, 80)), 4)
    labels = (noise > 0).astype(np.uint8)
    certainty = np.random.default_rng(seed + 100).uniform(0.4, 0.9, labels.shape).astype(np.float32)
    components, number = ndimage.label(labels, np.ones((3, 3)))
    sizes = ndimage.sum_labels(labels, components, range(1, number + 1))
    masks, polygons = Counts(), Counts()
    found = Prediction(labels, certainty)
    drawn = draw(found, {1}, set(), Rules("mask", 0, 20), masks)
    outlined = draw(found, {1}, set(), Rules("polygon", 0, 20), polygons)
    assert masks == polygons and masks.drawn[1] == sum(sizes >= 20) and masks.small == sum(sizes < 20)
    for mask, polygon in zip(drawn, outlined, strict=True):
        area = decode_mask([int(value) for value in mask.points], image_width=80, image_height=60)
        numbers = np.unique(components[area])
        assert len(numbers) == 1 and (area == (components == numbers[0])).all()
        assert np.isclose(mask.score, certainty[area].mean(dtype=np.float64)) and mask.score == polygon.score
        filled = np.pad(ndimage.binary_fill_holes(area), 1)  # beyond the image's border nothing is filled
        rows_columns = np.array(polygon.points).reshape(-1, 2)[:, ::-1] + 0.5  # centres of pixels are whole numbers
        wrong = polygon2mask(filled.shape, rows_columns) != filled
        depth = ndimage.distance_transform_edt(filled) + ndimage.distance_transform_edt(~filled)
        assert depth[wrong].max(initial=0) <= 1.5  # only pixels at the outline
        assert 2 * wrong.sum() < (filled != ndimage.binary_erosion(filled)).sum()  # and not most of them


def test_the_threshold_is_of_each_shapes_mean_certainty() -> None:
    labels = np.zeros((10, 30), np.uint8)
    labels[2:8, 2:8], labels[2:8, 20:26] = 1, 1
    certainty = np.full(labels.shape, 0.7, np.float32)
    certainty[2:8, 2:8] = np.repeat([0.2, 0.7], 3)  # a mean of 0.45
    for threshold, kept in ((0.44, 2), (0.46, 1), (0.71, 0)):
        counts = Counts()
        shapes = draw(Prediction(labels, certainty), {1}, set(), Rules("mask", threshold, 1), counts)
        assert (len(shapes), counts.unsure) == (kept, 2 - kept)
    whole = draw(Prediction(labels, certainty), set(), {1}, Rules("mask", 0.5, 1), Counts())
    assert [round(each.score, 6) for each in whole] == [0.575]  # as one mask, both together


def test_a_turned_photo_is_labelled_upright(task: Task) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.ascontiguousarray(np.rot90(field()))
    task.frames["b.png"] = photo(turned, exif=exif)
    run()
    assert (areas(task, 1, 31)[0] == (field() == LAKE)).all()


def test_a_video_is_refused(server: CvatServer, task: Task) -> None:
    task.ending = ".PNG"
    with pytest.raises(StateError, match="task 7: it holds a video or point clouds, not images; upload the frames"):
        run()
    assert server.count("PATCH") == 0


def test_deleted_frames_are_left_alone(task: Task) -> None:
    task.deleted = (0,)
    run()
    assert {each["frame"] for each in task.shapes} == {1, 2}


def test_a_broken_connection_costs_only_what_had_not_arrived(server: CvatServer, task: Task) -> None:
    server.fail("type=chunk", cut(100))
    server.fail("number=1", status(500), hang_up)
    run()
    assert len(task.shapes) == 7


def test_annotations_are_never_sent_twice(server: CvatServer, task: Task) -> None:
    server.fail("PATCH", status(429, "0"))  # the server took nothing
    run()
    assert server.count("PATCH") == 2 and len(task.shapes) == 7
    task.shapes.clear()
    for fault, message in ((hang_up, "look in CVAT whether it arrived before you repeat it"), (status(500), "500")):
        server.fail("PATCH", fault)
        with pytest.raises(StateError, match=message):
            run()
    assert server.count("PATCH") == 4


@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        ([{"id": 1, "name": "car"}], (), "task 7: labels: expected one of tomato, grass, lake, found car; add them"),
        ([{**LABELS[0], "type": "rectangle"}], (), "label 'lake': expected the type mask or any, found rectangle; set"),
        ([{**LABELS[0], "type": "mask"}], ("--as", "polygon"), "expected the type polygon or any, found mask"),
        (LABELS, ("--threshold", "1.5"), "expected a number from 0 to 1, found '1.5'"),
        (LABELS, ("--seed", "3"), "models/kmeans/3/weights.safetensors: no such file; trained: kmeans"),
    ],
)
def test_what_cannot_be_is_one_line(
    server: CvatServer, task: Task, labels: list[Any], arguments: tuple[str, ...], message: str
) -> None:
    task.labels = labels
    with pytest.raises(PixelproofError, match=message):
        run(*arguments)
    assert server.count("PATCH") == 0


def test_a_token_that_may_only_read_is_said(server: CvatServer, task: Task) -> None:
    server.fail("PATCH", status(403, body={"detail": f"read-only {TOKEN}"}))
    with pytest.raises(StateError, match=r"read-only \*\*\*; use the token of a user who may"):
        run()


def test_a_frame_of_16_bits_is_seen_through_the_window_or_named(task: Task, root: Path) -> None:
    """A dim one in colours, of which Pillow keeps the upper 8 bits alone, without a word: all would be black."""
    deep = COLOURS[field()].astype(np.uint16) + 1000
    task.frames["b.png"] = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
    found = r"^b\.png: expected 8 bits per channel, found 16 bits per channel, and the network learned from 8 alone"
    with pytest.raises(PixelproofError, match=found):
        run()
    assert not task.shapes
    header = read_header(root / "data/prepared")
    write_header(root / "data/prepared", replace(header, sources=({"window": "{low: 1000, high: 1255}"},)))
    run()
    for label in (30, 31):
        assert np.array_equal(areas(task, 1, label), areas(task, 0, label)) and areas(task, 1, label)


def square(frame: int, outside: bool = False) -> dict[str, Any]:
    """A keyframe."""
    shape = {"type": "rectangle", "frame": frame, "outside": outside, "points": [1.0, 1.0, 5.0, 5.0], "occluded": False}
    return {**shape, "attributes": [], "id": 1}


def track(*keys: dict[str, Any], elements: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """As the API has it."""
    about = {"id": 1, "label_id": 30, "group": 0, "source": "manual", "attributes": [], "frame": 0}
    return {**about, "shapes": list(keys), "elements": list(elements)}


@pytest.mark.parametrize(
    ("there", "free"),
    [
        (track(square(0)), set()),
        (track(square(1)), {0}),
        (track(square(0), square(1, outside=True)), {1, 2}),
        (track(square(0, outside=True), square(2)), {0, 1}),
        (track(square(2, outside=True), square(1)), {0, 2}),
        (track(elements=[track(square(1), square(2, outside=True))]), {0, 2}),
        (track(), {0, 1, 2}),
    ],
)
def test_frames_in_which_a_track_is_visible_are_labelled(task: Task, there: dict[str, Any], free: set[int]) -> None:
    task.tracks = [there]
    run()
    assert {each["frame"] for each in task.shapes} == free


@pytest.mark.parametrize(("keep", "found"), [(0, "something else"), (90, "truncated")])
@pytest.mark.parametrize("dry", [True, False])
def test_a_damaged_frame_is_named(task: Task, keep: int, found: str, dry: bool) -> None:
    task.frames["c.png"] = task.frames["c.png"][:keep] or b"junk"
    with pytest.raises(DataError, match=rf"task 7: frame 2, 'c\.png': expected a whole image, found .*{found}"):
        run(*["--dry-run"] * dry)
    assert not task.shapes


def test_a_task_without_frames_is_said(task: Task) -> None:
    task.frames = {}
    with pytest.raises(StateError, match="task 7: it has no frames; upload images to it in CVAT"):
        run()


def test_chunks_wait_in_the_clone_and_a_full_disk_is_named(
    server: CvatServer, task: Task, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        (place,) = (root / ".pixelproof/cvat").iterdir()
        assert list(place.rglob("0.zip"))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("commands._cvat.label.annotate_task", full)
    with pytest.raises(StateError, match=r"pixelproof/cvat/\w+: No space left .*; check that what it writes"):
        run()
    assert not list((root / ".pixelproof/cvat").iterdir())
