"""What Datumaro lets pass, and what else an export can get wrong: one line that names the file, and nothing written."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pixelproof.core.errors import DataError
from stages.cvat.archive import find_exports
from stages.cvat.convert import convert
from tests.stages.cvat.fake import LABELS, FakeExport, encoded, params, shape, square

ROOT = Path(__file__).parents[3]
POINTS = square(1, 1, 5, 5)
MASK = {"rle": "0,4", "left": 0, "top": 0, "width": 2, "height": 2}


def refused(export: Path, tmp_path: Path) -> str:
    """The message of the error that converting raises; nothing may be left behind."""
    with pytest.raises(DataError) as error:
        convert([export], tmp_path / "out/cvat", params())
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    message = str(error.value)
    assert "\n" not in message and export.name in message and "; " in message
    return message


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (shape("polygon", points="1,1;nan,5;5,5"), "found 'nan'"),
        (shape("polygon", points="1,1;5,inf;5,5"), "found 'inf'"),
        (shape("polygon", points="1,1;5,1e9;5,5"), "within -16 to 32, found 1000000000.0"),
        (shape("polygon", points="1,1;5,5"), "three or more points"),
        (shape("polygon", points="1,1;5;5,5"), "three or more points"),
        (shape("polygon"), "three or more points"),
        (shape("polygon", points=POINTS, z_order="top"), "a whole number as z_order, found 'top'"),
        (shape("polygon", points=POINTS, group_id="9" * 5000), f"as group_id, found '{'9' * 59}; "),
        (shape("ellipse", cx="x" * 5000, cy=5, rx=1, ry=2), f"number as cx, found '{'x' * 59}; "),
        (
            shape("polygon", "rode", points=POINTS),
            "'rode'; add it to cvat.classes in params.yaml (did you mean 'road'?)",
        ),
        (shape("polygon", "", points=POINTS), "a label of cvat.classes"),
        (shape("box", xtl=5, ytl=1, xbr=1, ybr=5), "xtl <= xbr"),
        (shape("box", xtl=5, ytl=1, xbr=6), "a finite number as ybr, found None"),
        (shape("box", xtl=1, ytl=1, xbr=5, ybr=5, rotation="nan"), "a finite number as rotation"),
        (shape("ellipse", cx=5, cy=5, rx=0, ry=2), "rx and ry above 0"),
        (shape("ellipse", cx="inf", cy=5, rx=1, ry=2), "a finite number as cx"),
        (shape("mask", "road", **MASK | {"rle": "0,3"}), "run lengths of 4 pixels (2x2), found 3"),
        (shape("mask", "road", **MASK | {"rle": "0,5"}), "run lengths of 4 pixels (2x2), found 5"),
        (shape("mask", "road", **MASK | {"rle": "0,-1,5"}), "run lengths `n, n, ...`"),
        (shape("mask", "road", **MASK | {"left": 19}), "a mask inside 20x16, found 2x2 at 19,0"),
        (shape("mask", "road", **MASK | {"top": -1}), "a mask inside 20x16"),
        (shape("polyline", points=POINTS), "found polyline; redraw it in CVAT, or add 'polyline' to cvat.skip"),
        (shape("points", points=POINTS), "add 'points' to cvat.skip"),
        (shape("tag"), "add 'tag' to cvat.skip"),
        (shape("blob"), "found 'blob'"),
    ],
)
def test_shape(drawn: str, expected: str, tmp_path: Path) -> None:
    export = FakeExport().add("a/1.png", shape("polygon", points=POINTS), drawn).zip(tmp_path / "one.zip")
    message = refused(export, tmp_path)
    assert expected in message and "image 'a/1.png', shape 2" in message


def _no_file(export: FakeExport) -> None:
    del export.files["images/2.png"]


def _bytes(content: bytes) -> Callable[[FakeExport], None]:
    return lambda export: export.files.update({"images/2.png": content})


def _xml(old: str, new: str) -> Callable[[FakeExport], None]:
    def change(export: FakeExport) -> None:
        assert old in export.images[1]
        export.images[1] = export.images[1].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_no_file, "its file images/2.png in the export, found no such file"),
        (_bytes(encoded(20, 16)[:-30]), "images/2.png: expected a whole image"),
        (_bytes(b""), "0 bytes that cannot be decoded"),
        (_bytes(b"no image"), "8 bytes that cannot be decoded"),
        (_bytes(encoded(16, 20)), "the size that its labels are for, 20x16, found 16x20"),
        (_xml('id="1"', 'id="0"'), "a unique id for each image, found id '0' twice"),
        (_xml('name="2.png"', 'name="1.png"'), "a unique name for each image, found name '1.png' twice"),
        (_xml('name="2.png"', 'name="../2.png"'), "a relative name inside the export, found '../2.png'"),
        (_xml('name="2.png"', 'name="/etc/2.png"'), "a relative name inside the export"),
        (_xml('name="2.png"', 'name=""'), "a relative name inside the export"),
        (_xml('width="20"', 'width="0"'), "a width of 1 to 65536 pixels, found '0'"),
    ],
)
def test_image(spoil: Callable[[FakeExport], None], expected: str, tmp_path: Path) -> None:
    export = FakeExport().add("1.png").add("2.png")
    spoil(export)
    assert expected in refused(export.zip(tmp_path / "one.zip"), tmp_path)


@pytest.mark.parametrize("suffix", [".bmp", ".tiff", ".webp"])
def test_an_image_of_another_kind_that_is_cut_short(suffix: str, tmp_path: Path) -> None:
    export = FakeExport().add(f"1{suffix}")
    export.files[f"images/1{suffix}"] = encoded(20, 16, suffix)[:-60]
    assert "a whole image" in refused(export.zip(tmp_path / "one.zip"), tmp_path)


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotations><image id="0" name="&c;"/></annotations>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotations><image id="0" name="&b;"/></annotations>'


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("", "well-formed XML"),
        (FakeExport().add("1.png").xml()[:-40], "well-formed XML"),
        (BOMB, "EntitiesForbidden"),
        (OUTSIDE, "EntitiesForbidden"),
        ("<annotations></annotations>", "<annotations> with <image> elements"),
        ('<annotations><image id="0"/><track id="0"></track></annotations>', "found tracks beside images"),
        ('<annotations><track id="0"></track><image id="0"/></annotations>', "found tracks beside images"),
        ('<annotations><track id="0"></track></annotations>', "photographs images/frame_000000.PNG and so on"),
        ("<html></html>", "found <html>"),
    ],
)
def test_xml(xml: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("annotations.xml", xml)
        archive.writestr("images/1.png", encoded(20, 16))
    assert expected in refused(path, tmp_path)


def test_zip(tmp_path: Path) -> None:
    whole = FakeExport().add("1.png").zip(tmp_path / "whole.zip").read_bytes()
    for name, content, expected in (
        ("cut.zip", whole[:-40], "a zip file"),
        ("text.zip", b"no zip", "a zip file"),
        ("flipped.zip", whole[:700] + bytes([whole[700] ^ 255]) + whole[701:], "a whole file, found BadZipFile"),
    ):
        (tmp_path / name).write_bytes(content)
        assert expected in refused(tmp_path / name, tmp_path)
    with zipfile.ZipFile(tmp_path / "none.zip", "w"):
        pass
    assert "annotations.xml at the top level, or labels as CVAT for video 1.1, " in refused(
        tmp_path / "none.zip", tmp_path
    )


@pytest.mark.parametrize("name", ["../../evil.png", "/evil.png", "C:/evil.png", "c:evil.png"])
def test_zip_that_would_write_outside(name: str, tmp_path: Path) -> None:
    export = FakeExport().add("1.png")
    export.files[name] = b"evil"
    assert "a path that leads out of the export" in refused(export.zip(tmp_path / "a/b/one.zip"), tmp_path)


def test_a_zip_with_backslashes_says_so(tmp_path: Path) -> None:
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FakeExport().add("1.png").content().items():
            archive.writestr(name.replace("/", "\\"), content)
    message = refused(path, tmp_path)
    assert "images\\1.png: expected paths with `/`" in message and message.endswith(
        "zip the folder with another program"
    )


def test_a_colon_that_is_no_drive(tmp_path: Path) -> None:
    export = FakeExport().add("12:30:00.png", shape("polygon", points=POINTS)).add("at 12:30/b.png")
    for path in (export.zip(tmp_path / "one.zip"), export.folder(tmp_path / "two")):
        assert convert([path], tmp_path / "out", params())[1] == 2


def test_a_file_that_is_twice_in_a_zip(tmp_path: Path) -> None:
    path, files = tmp_path / "one.zip", FakeExport().add("1.png").content()
    for name, content in files.items():
        for again, ending in ((content, True), (content + b"<!-- -->", False)):
            with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
                for member in (*files.items(), (name, again)):
                    archive.writestr(*member)
            if ending:
                assert convert([path], tmp_path / "out", params())[1] == 1
                shutil.rmtree(tmp_path / "out")
            else:
                assert f"{name}: expected each file once, found two that differ" in refused(path, tmp_path)


def test_what_windows_leaves_behind(tmp_path: Path) -> None:
    export = FakeExport().add("1.png")
    files = {"desktop.ini": b"x"} | {f"my export/{name}": content for name, content in export.content().items()}
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert convert([tmp_path / "one.zip"], tmp_path / "out", params())[1] == 1


def test_accents_that_are_spelled_apart_as_on_macos(tmp_path: Path) -> None:
    together, apart = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    coco = {
        "images": [{"id": 1, "file_name": together, "width": 20, "height": 16}],
        "categories": [{"id": 1, "name": "road"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}],
    }
    export = FakeExport().add(together)
    export.files = {f"images/{apart}": encoded(20, 16)}
    assert convert([export.zip(tmp_path / "one.zip")], tmp_path / "out", params())[1] == 1
    other: dict[str, bytes | str] = {
        "annotations/instances_default.json": json.dumps(coco),
        f"images/default/{apart}": encoded(20, 16),
    }
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name, content in other.items():
            archive.writestr(name, content)
    assert convert([tmp_path / "two.zip"], tmp_path / "out", params())[1] == 1
    # where both are there, each is its own
    export.files[f"images/{together}"] = encoded(20, 16, seed=2)
    export.add(apart)
    export.files[f"images/{apart}"] = encoded(20, 16, seed=3)
    assert convert([export.zip(tmp_path / "three.zip")], tmp_path / "out", params())[1] == 2
    assert len({path.read_bytes() for path in (tmp_path / "out").rglob("images/*")}) == 2


def test_zip_bombs(tmp_path: Path) -> None:
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("annotations.xml", "w") as member:
        for _ in range(17):
            member.write(bytes(1 << 24))
    assert "annotations.xml: expected a file of images or labels, found a zip bomb of 285212672" in refused(
        path, tmp_path
    )


def test_an_outline_that_would_take_hours_to_draw(tmp_path: Path) -> None:
    points = ";".join(f"{x},{x % 7}" for _ in range(3000) for x in (0, 65536))
    export = FakeExport().add("1.png", shape("polygon", points=points))
    export.images[0] = export.images[0].replace('width="20" height="16"', 'width="65536" height="16"')
    assert "an outline of at most 268435456 pixels, found one of 393150464" in refused(
        export.zip(tmp_path / "one.zip"), tmp_path
    )


def test_links(tmp_path: Path) -> None:
    export = FakeExport().add("1.png").folder(tmp_path / "one")
    (tmp_path / "elsewhere").mkdir()
    (export / "images/1.png").rename(tmp_path / "elsewhere/1.png")
    (export / "images").rmdir()
    (export / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"one/images: expected a file or a folder, found a link"):
        convert([export], tmp_path / "out", params())
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        link = zipfile.ZipInfo("images")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    assert "images: expected a file inside the export, found a link" in refused(tmp_path / "two.zip", tmp_path)


def test_folder_of_exports(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find_exports(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("no export")
    with pytest.raises(DataError, match="found none"):
        find_exports(tmp_path)
    (tmp_path / "a_mask.PNG").touch()
    with pytest.raises(DataError, match=r"found pictures alone; .*images/ and masks/"):
        find_exports(tmp_path)
    made = [FakeExport().add("1.png").zip(tmp_path / "b.zip"), FakeExport().add("1.png").folder(tmp_path / "a")]
    assert find_exports(tmp_path) == [made[1], made[0]]
    FakeExport().add("1.png").folder(tmp_path / "b")
    with pytest.raises(DataError, match="exports whose names differ"):
        find_exports(tmp_path)


def test_kinds_without_area_are_left_out_and_counted_where_params_say_so(tmp_path: Path) -> None:
    drawn = [
        shape("polyline", points=POINTS),
        shape("tag"),
        shape("tag", "unheard of"),
        shape("polygon", points=POINTS),
    ]
    export = FakeExport().add("1.png", *drawn).zip(tmp_path / "one.zip")
    counts = convert([export], tmp_path / "out", params(skip=["polyline", "tag"]))
    assert counts == (1, 1, {"polyline": 1, "tag": 2})


def test_command_says_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    section = params().model_dump()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"cvat": section}))
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"cvat": {"params": ["cvat"]}}}))
    FakeExport(LABELS).add("1.png", shape("polygon", points="1,1;nan,2;3,3")).zip(tmp_path / "annotations/one.zip")
    (tmp_path / "data/cvat").mkdir(parents=True)
    (tmp_path / "data/cvat/before").write_text("kept")
    run = subprocess.run(
        [sys.executable, "-m", "stages.cvat"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.returncode == 2 and run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: annotations/one.zip: image '1.png', shape 1 (polygon): expected a finite number")
    assert [path.name for path in (tmp_path / "data").rglob("*")] == ["cvat", "before"]
