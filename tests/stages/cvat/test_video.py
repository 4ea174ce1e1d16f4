"""Tracks ("CVAT for video 1.1"), frame by frame, against masks worked by hand."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, UNSPLIT, read_instances, read_mask, read_split
from pixelproof.data.outlines import Box
from stages.cvat.archive import open_export
from stages.cvat.convert import convert
from stages.cvat.formats import read
from stages.cvat.formats.cvat_video import HELD, NOWHERE
from stages.cvat.model import Parsed
from tests.stages.cvat.fake import LABELS, encoded, params, shape

SIZE = "<original_size><width>8</width><height>3</height></original_size>"
Row = tuple[int, ...]


def node(kind: str, frame: int, outside: int = 0, **values: object) -> str:
    return shape(kind, "", frame=frame, outside=outside, keyframe=1, **values)


def box(frame: int, left: float, outside: int = 0, **values: object) -> str:
    """One row high, two pixels wide."""
    return node("box", frame, outside, **{"xtl": left, "ytl": 0, "xbr": left + 2, "ybr": 1} | values)


def track(*nodes: str, label: str = "car", **values: object) -> str:
    extra = "".join(f' {key}="{value}"' for key, value in values.items())
    return f'<track id="0" label="{label}"{extra}>{"".join(nodes)}</track>'


def video(
    path: Path, *tracks: str, frames: int = 5, meta: str = SIZE, folder: str = "images", kind: str = "task"
) -> Path:
    labels = "".join(f"<label><name>{name}</name><color>{color}</color></label>" for name, color in LABELS.items())
    with zipfile.ZipFile(path, "w") as archive:
        head = f"<meta><{kind}><id>7</id><labels>{labels}</labels>{meta}</{kind}></meta>"
        archive.writestr("annotations.xml", f"<annotations>{head}{''.join(tracks)}</annotations>")
        for number in range(frames):
            archive.writestr(f"{folder}/frame_{number:06d}.PNG", encoded(8, 3))
    return path


def parsed(path: Path) -> Parsed:
    with open_export(path) as export:
        return read(export)


def first_rows(tmp_path: Path, *tracks: str) -> list[str]:
    """The first row of each frame's mask: `.` for ignored pixels, `r`, `c` and `l`."""
    convert([video(tmp_path / "one.zip", *tracks)], tmp_path / "out", params())
    samples = read_split(tmp_path / "out", UNSPLIT)
    assert [sample.id for sample in samples] == [f"frame_{number:06d}" for number in range(5)]
    letters = {0: "r", 1: "c", 2: "l", IGNORE: "."}
    rows = [read_mask(tmp_path / "out", UNSPLIT, sample, 3)[0] for sample in samples]
    return ["".join(letters[int(value)] for value in row) for row in rows]


def test_a_box_moves_evenly_between_keyframes(tmp_path: Path) -> None:
    assert first_rows(tmp_path, track(box(1, 0), box(3, 4))) == [
        "........", "cc......", "..cc....", "....cc..", "....cc..",
    ]  # fmt: skip


def test_frames_that_are_there_are_not_guessed(tmp_path: Path) -> None:
    assert first_rows(tmp_path, track(box(0, 0), box(1, 6), box(2, 1), box(4, 5))) == [
        "cc......", "......cc", ".cc.....", "...cc...", ".....cc.",
    ]  # fmt: skip


def test_outside_ends_a_track_until_it_comes_back(tmp_path: Path) -> None:
    """The place of an outline that is outside says nothing: it may be anything."""
    assert first_rows(tmp_path, track(box(0, 0), box(2, 0, outside=1, xtl="nowhere"), box(4, 6))) == [
        "cc......", "cc......", "........", "........", "......cc",
    ]  # fmt: skip


def test_ellipses_and_turned_boxes_move_too(tmp_path: Path) -> None:
    ellipses = [node("ellipse", frame, cx=cx, cy=0.5, rx=1, ry=0.4) for frame, cx in ((0, 1), (4, 7))]
    assert first_rows(tmp_path, track(*ellipses)) == [
        "cc......", ".ccc....", "...cc...", "....ccc.", "......cc",
    ]  # fmt: skip
    turned = track(box(0, 0, rotation=350), box(2, 0, rotation=20))
    outlines = [image.labels[0].outline for image in parsed(video(tmp_path / "two.zip", turned)).images]  # type: ignore[index]
    assert [outline.turn % 360 for outline in outlines if isinstance(outline, Box)][:3] == [350, 5, 20]  # the short way


def test_polygons_move_if_their_points_are_as_many_else_they_stay_and_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def polygon(frame: int, left: int, *more: str) -> str:
        corners = (f"{left},0", f"{left + 2},0", f"{left + 2},1", f"{left},1", *more)
        return node("polygon", frame, points=";".join(corners))

    assert first_rows(tmp_path, track(polygon(0, 0), polygon(2, 4), polygon(4, 6, "6,0.5"))) == [
        "cc......", "..cc....", "....cc..", "....cc..", "......cc",
    ]  # fmt: skip
    assert f"cvat: 1 {HELD}" in capsys.readouterr().err
    assert parsed(tmp_path / "one.zip").notes == {HELD: 1}


def test_masks_stay_until_the_next_keyframe(tmp_path: Path) -> None:
    masks = [node("mask", frame, rle="0,2", left=left, top=0, width=2, height=1) for frame, left in ((0, 0), (3, 5))]
    assert first_rows(tmp_path, track(*masks)) == ["cc......", "cc......", "cc......", ".....cc.", ".....cc."]


def test_tracks_are_one_object_in_each_frame(tmp_path: Path) -> None:
    tracks = [track(box(0, 0)), track(box(0, 2)), track(box(0, 4, z_order=1), group_id=3), track(box(0, 6), group_id=3)]
    convert([video(tmp_path / "one.zip", *tracks)], tmp_path / "out", params())
    for sample in read_split(tmp_path / "out", UNSPLIT):
        instances = read_instances(tmp_path / "out", UNSPLIT, sample)
        assert instances is not None and instances[0].tolist() == [1, 1, 2, 2, 3, 3, 3, 3]
        assert not instances[1:].any()


def test_frames_of_a_job_begin_where_it_begins(tmp_path: Path) -> None:
    about = f"{SIZE}<start_frame>10</start_frame><stop_frame>20</stop_frame><frame_filter>step=5</frame_filter>"
    path = video(tmp_path / "one.zip", track(box(10, 0), box(20, 4)), frames=0, meta=about, kind="job")
    found = parsed(path).images
    assert [(image.task, image.name, image.frame, image.member) for image in found] == [
        ("job-7", f"frame_0000{number}", number, None) for number in (10, 15, 20)
    ]
    middle = found[1].labels[0]  # type: ignore[index]
    assert middle.outline == Box(2, 0, 4, 1) and middle.label == "car"


def test_without_a_size_in_the_meta_data_photographs_tell_it(tmp_path: Path) -> None:
    images = parsed(video(tmp_path / "one.zip", track(box(0, 0)), meta="")).images
    assert {(image.width, image.height) for image in images} == {(8, 3)}
    with pytest.raises(DataError, match="<original_size> in the meta data, found none"):
        parsed(video(tmp_path / "one.zip", track(box(0, 0)), meta="", frames=0))


def test_a_project_of_videos(tmp_path: Path) -> None:
    tasks = "".join(
        f"<task><id>{task}</id><mode>interpolation</mode><subset>{subset}</subset>{SIZE}</task>"
        for task, subset in ((3, "Train"), (4, "Test"))
    )
    path = video(
        tmp_path / "one.zip", track(box(0, 0), task_id=3, subset="Train"), meta=f"<tasks>{tasks}</tasks>",
        folder="images/Train", frames=2, kind="project",
    )  # fmt: skip
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images/Test/frame_000000.PNG", encoded(8, 3))
    assert [(image.task, image.subset, image.member, len(image.labels)) for image in parsed(path).images] == [  # type: ignore[arg-type]
        ("3", "Train", "images/Train/frame_000000.PNG", 1),
        ("3", "Train", "images/Train/frame_000001.PNG", 1),
        ("4", "Test", "images/Test/frame_000000.PNG", 0),  # nothing was drawn
    ]


def test_shapes_on_frames_that_are_not_there_are_counted(tmp_path: Path) -> None:
    assert parsed(video(tmp_path / "one.zip", track(box(0, 0), box(9, 0)))).notes == {NOWHERE: 1}


def test_tracks_without_an_area_are_counted(tmp_path: Path) -> None:
    line = track(node("polyline", 0, points="0,0;1,1"), node("polyline", 1, points="0,0;1,1"))
    found = parsed(video(tmp_path / "one.zip", line, track(box(0, 0))))
    assert found.undrawn == {"polyline": 2} and "track '0', frame 0 (polyline)" in found.undrawn_at["polyline"]
    assert [len(image.labels) for image in found.images] == [1] * 5  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tracks", "expected"),
    [
        (track(box(0, 0), box(0, 1)), r"track '0', frame 0 \(box\): expected one outline on each frame, found two"),
        (track(box(0, 0).replace('frame="0"', 'frame="x"')), "a whole number as frame, found 'x'"),
        (track(box(-1, 0)), "a frame from 0 to 999999, found -1"),
        (track(box(0, 0, xtl="nan")), r"track '0', frame 0 \(box\): expected a finite number as xtl"),
        (track(box(0, 0), group_id="a"), "a whole number as group_id"),
    ],
)
def test_what_is_wrong_with_a_track(tracks: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=expected):
        parsed(video(tmp_path / "one.zip", tracks))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda xml: f'<?xml version="1.0" encoding="utf-16"?>{xml}'.encode("utf-16"),
        lambda xml: xml.replace("<meta>", "<!-- no <image here --><meta>").encode(),
    ],
)
def test_tracks_are_told_by_elements_not_by_bytes(spoil: Callable[[str], bytes], tmp_path: Path) -> None:
    path = video(tmp_path / "one.zip", track(box(0, 0)))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "other.zip", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, spoil(content.decode()) if name == "annotations.xml" else content)
    assert parsed(tmp_path / "other.zip") == parsed(path)


def test_an_image_task_exported_as_video_is_sent_back(tmp_path: Path) -> None:
    path = video(tmp_path / "one.zip", track(box(0, 0)), frames=0)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images/DJI_0001.JPG", encoded(8, 3, ".jpg"))
    with pytest.raises(DataError, match=r"found images/DJI_0001\.JPG; export this task as 'CVAT for images 1\.1'"):
        parsed(path)


def test_the_number_of_frames_is_bounded(tmp_path: Path) -> None:
    about = f"{SIZE}<start_frame>0</start_frame><stop_frame>999999999</stop_frame>"
    with pytest.raises(DataError, match="<stop_frame>: expected less than 1000000, found 999999999"):
        parsed(video(tmp_path / "one.zip", track(box(0, 0)), frames=0, meta=about))
