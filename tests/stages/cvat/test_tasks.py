"""Exports of projects, tasks, jobs and videos as CVAT writes them: what tells images apart, photographs, splits."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.data.dataset import UNSPLIT, Sample, read_split, verify
from stages.cvat.archive import find_exports, open_export
from stages.cvat.convert import convert
from stages.cvat.formats import read
from stages.cvat.model import Parsed
from tests.stages.cvat.fake import FakeExport, encoded, params, shape

BOX = shape("box", xtl=0, ytl=0, xbr=2, ybr=1)


def parsed(path: Path) -> Parsed:
    with open_export(path) as export:
        return read(export)


def by_split(root: Path) -> dict[str, dict[str, Sample]]:
    splits = sorted(path.name for path in root.iterdir() if path.is_dir())
    verify(root, tuple(splits))
    return {split: {sample.id: sample for sample in read_split(root, split)} for split in splits}


def project(**subsets: str) -> FakeExport:
    """A task of two images for each subset: their ids and names begin anew in each."""
    export = FakeExport(meta="project", about="<id>1</id>")
    for task, subset in subsets.items():
        for number in range(2):
            name = f"DJI_{number:04d}.JPG"
            export.add(name, BOX, id=number, task_id=task[1:], subset=subset)
            export.files[f"images/{subset}/{name}"] = export.files.pop(f"images/{name}")
    return export


def test_a_project_of_several_tasks_and_subsets(tmp_path: Path) -> None:
    export = project(t3="Train", t4="validation", t5="default", t6="Testing")
    convert([export.zip(tmp_path / "one.zip")], tmp_path / "out", params())
    found = by_split(tmp_path / "out")
    assert {split: {name: sample.group for name, sample in samples.items()} for split, samples in found.items()} == {
        "train": {"3-DJI_0000": "task-3", "3-DJI_0001": "task-3"},
        "val": {"4-DJI_0000": "task-4", "4-DJI_0001": "task-4"},
        UNSPLIT: {"5-DJI_0000": "task-5", "5-DJI_0001": "task-5"},
        "test": {"6-DJI_0000": "task-6", "6-DJI_0001": "task-6"},
    }
    for split, subset, task in (("train", "Train", 3), ("val", "validation", 4), (UNSPLIT, "default", 5)):
        written = (tmp_path / f"out/{split}/images/{task}-DJI_0001.jpg").read_bytes()
        assert written == export.files[f"images/{subset}/DJI_0001.JPG"]


def test_a_subset_of_another_name_is_what_params_say(tmp_path: Path) -> None:
    export = project(t3="Train", t4="Flight A", t5="Flight B").zip(tmp_path / "one.zip")
    with pytest.raises(
        ParamsError, match=r"subsets: found nothing about 'Flight A', 'Flight B'; add `Flight A: train`"
    ):
        convert([export], tmp_path / "out", params())
    assert not (tmp_path / "out").exists()
    convert([export], tmp_path / "out", params(subsets={"Flight A": "test", "Flight B": "val", "Train": "unsplit"}))
    assert {split: len(samples) for split, samples in by_split(tmp_path / "out").items()} == {
        "test": 2, "val": 2, UNSPLIT: 2,
    }  # fmt: skip


def test_the_subset_of_a_task_stands_in_its_meta_data(tmp_path: Path) -> None:
    export = FakeExport(about="<id>12</id><subset>Train</subset>").add("1.png").add("Train/1.png")
    found = parsed(export.zip(tmp_path / "one.zip"))
    assert [(image.task, image.subset, image.member) for image in found.images] == [
        ("12", "Train", "images/1.png"), ("12", "Train", "images/Train/1.png"),
    ]  # fmt: skip


def test_ids_and_names_are_unique_in_a_task_and_subset(tmp_path: Path) -> None:
    export = project(t3="Train")
    export.images[1] = export.images[1].replace("DJI_0001", "DJI_0000")
    with pytest.raises(DataError, match=r"a unique name for each image, found name 'DJI_0000\.JPG' twice"):
        parsed(export.zip(tmp_path / "one.zip"))


def test_a_photograph_that_cvat_wrote_over_another(tmp_path: Path) -> None:
    """CVAT writes the frames of all videos of a subset under the same names."""
    export = FakeExport(meta="project")
    for task in (3, 4):
        export.add("frame_000000", id=0, task_id=task, subset="default")
    export.files = {"images/default/frame_000000.PNG": encoded(20, 16)}
    with pytest.raises(DataError, match=r"found that of task 3: CVAT writes one over the other; export each"):
        parsed(export.zip(tmp_path / "one.zip"))


def test_equal_names_in_two_exports_are_two_images(tmp_path: Path) -> None:
    exports = [FakeExport().add("1.png").zip(tmp_path / f"{name}.zip") for name in ("north", "south")]
    convert(exports, tmp_path / "out", params())
    north, south = sorted(by_split(tmp_path / "out")[UNSPLIT].values(), key=lambda sample: sample.group)
    assert (north.group, south.group) == ("north", "south") and north.id[:2] == south.id[:2] == "1-"
    exports.append(FakeExport(about="<id>7</id>").add("1.png").zip(tmp_path / "west.zip"))
    convert(exports, tmp_path / "out", params())
    assert set(by_split(tmp_path / "out")[UNSPLIT]) == {north.id, south.id, "7-1"}


def test_one_task_in_two_exports(tmp_path: Path) -> None:
    exports = [FakeExport(about="<id>7</id>").add("1.png").zip(tmp_path / f"{day}.zip") for day in ("monday", "friday")]
    with pytest.raises(DataError, match=r"friday\.zip: image '1\.png': expected task '7' in one export, found "):
        convert(exports, tmp_path / "out", params())


def test_a_job(tmp_path: Path) -> None:
    export = FakeExport(meta="job", about="<id>9</id><subset>default</subset>").add("1.png")
    (image,) = parsed(export.zip(tmp_path / "one.zip")).images
    assert (image.task, image.subset) == ("job-9", "default")


def test_a_video_exported_as_images(tmp_path: Path) -> None:
    export = FakeExport(about="<id>12</id>").add("frame_000000", BOX).add("frame_000025", BOX)
    path = export.zip(tmp_path / "one.zip")
    images = parsed(path).images
    assert [(image.member, image.frame) for image in images] == [
        ("images/frame_000000.PNG", 0), ("images/frame_000025.PNG", 25),
    ]  # fmt: skip
    convert([path], tmp_path / "out", params())
    assert (tmp_path / "out/all/images/frame_000025.png").read_bytes() == export.files["images/frame_000025.PNG"]
    export.files["images/frame_000000.jpg"] = encoded(20, 16, ".jpg")
    with pytest.raises(DataError, match=r"one file images/frame_000000, found 2: images/frame_000000\.PNG, images/fr"):
        parsed(export.zip(tmp_path / "one.zip"))


def test_annotations_without_photographs(tmp_path: Path) -> None:
    export = FakeExport().add("1.png", BOX)
    export.files = {}
    path = export.zip(tmp_path / "one.zip")
    (image,) = parsed(path).images
    assert image.member is None and len(image.labels) == 1  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"found an export without photographs; export again.*'Save images' on"):
        convert([path], tmp_path / "out", params())


def test_a_folder_that_was_zipped_again(tmp_path: Path) -> None:
    export = FakeExport().add("1.png", BOX)
    plain, again = export.zip(tmp_path / "plain.zip"), tmp_path / "again.zip"
    with zipfile.ZipFile(again, "w") as archive:
        for name, content in export.content().items():
            archive.writestr(f"my task/annotations/{name}", content)
        for name in ("__MACOSX/my task/._annotations.xml", "my task/.DS_Store", "my task/annotations/._1.png"):
            archive.writestr(name, b"clutter")
    for path in (plain, again):
        convert([path], tmp_path / path.stem, params(group="image"))
    files = [path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*") if path.is_file()]
    assert len(files) == 5
    assert all((tmp_path / "plain" / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)


def test_a_bare_xml_beside_its_images(tmp_path: Path) -> None:
    export = FakeExport().add("a/1.png", BOX)
    (tmp_path / "here/a").mkdir(parents=True)
    (tmp_path / "here/task 7.xml").write_text(export.xml())
    (tmp_path / "here/a/1.png").write_bytes(encoded(20, 16))
    assert find_exports(tmp_path / "here") == [tmp_path / "here"]
    for path in (tmp_path / "here", tmp_path / "here/task 7.xml"):
        convert([path], tmp_path / "out", params())
        assert set(by_split(tmp_path / "out")[UNSPLIT]) == {"a-1"}


def test_backups_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("task.json", "{}")
        archive.writestr("data/1.png", encoded(20, 16))
    with pytest.raises(DataError, match="found a backup of a task; open it in CVAT with"):
        parsed(tmp_path / "one.zip")
