"""`add` of what cannot be added: one line, and nothing changes."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from pixelproof.core.errors import DataError, PixelproofError, StateError
from stages.cvat.store import read_index
from tests.commands.adding import FIRST, Clone, export, flight, in_all, table
from tests.stages.cvat.fake import FakeExport, encoded, picture


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone.at(tmp_path / "clone")


def big(path: Path) -> Path:
    """An export whose second photograph has another size than its labels."""
    made = export(FIRST, "12")
    made.files["images/flight0/DJI_0001.JPG"] = encoded(30, 16, ".jpg")
    return made.zip(path)


def link(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(export(FIRST, "12").zip(path.parent / "real.zip"))
    return path


def cut(path: Path) -> Path:
    made = export(FIRST, "12")
    made.files["images/flight0/DJI_0001.JPG"] = encoded(20, 16, ".jpg")[:-2]
    return made.zip(path)


def whole_of(kind: str) -> bytes:
    """A photograph of a format, however its file is called."""
    content = io.BytesIO()
    Image.fromarray(picture(20, 16)).save(content, kind)
    return content.getvalue()


def cut_of(kind: str) -> Callable[[Path], Path]:
    def spoil(path: Path) -> Path:
        made, whole = export(FIRST, "12"), whole_of(kind)
        made.files["images/flight0/DJI_0001.JPG"] = whole[: len(whole) * 3 // 5]
        return made.zip(path)

    return spoil


def inks(path: Path) -> Path:
    made, content = export(FIRST, "12"), io.BytesIO()
    Image.fromarray(picture(20, 16)).convert("CMYK").save(content, "JPEG")
    made.files["images/flight0/DJI_0001.JPG"] = content.getvalue()
    return made.zip(path)


def voc(*names: str) -> FakeExport:
    """An export of masks, whose names become files in the store."""
    made = FakeExport()
    for name in names:
        mask = np.zeros((16, 20, 3), np.uint8)
        mask[2:8, 2:9] = 128, 64, 128  # the same blue first
        made.files[f"SegmentationClass/{name}.png"] = cv2.imencode(".png", mask)[1].tobytes()
        made.files[f"JPEGImages/{name}.jpg"] = encoded(20, 16, ".jpg", len(made.files))
    made.files["labelmap.txt"] = b"# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::\n"
    made.files["ImageSets/Segmentation/default.txt"] = "\n".join(names).encode("utf-8", "surrogateescape")
    return made


def written(made: FakeExport, path: Path) -> Path:
    """An export without annotations.xml."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in made.files.items():
            archive.writestr(name, content)
    return path


def not_utf8(path: Path) -> Path:
    made = voc("a", "b", "\udcff")
    del made.files["ImageSets/Segmentation/default.txt"]
    folder = path.parent / "folder"
    for name, content in made.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def label(name: str) -> Callable[[Path], Path]:
    def spoil(path: Path) -> Path:
        made, square = FakeExport(), [[2, 2, 10, 2, 10, 9, 2, 9]]
        made.files["annotations/instances_default.json"] = json.dumps(
            {
                "images": [{"id": n, "file_name": f"{n}.png", "width": 20, "height": 16} for n in range(4)],
                "annotations": [{"id": n, "image_id": n, "category_id": 1, "segmentation": square} for n in range(4)],
                "categories": [{"id": 1, "name": name}],
            }
        ).encode()
        made.files |= {f"images/default/{n}.png": encoded(20, 16, seed=n) for n in range(4)}
        return written(made, path)

    return spoil


def text(path: Path) -> Path:
    made = export(FIRST, "12")
    made.files["images/flight0/DJI_0001.JPG"] = b"no picture"
    return made.zip(path)


def line_break(path: Path) -> Path:
    made = export(FIRST, "12")
    made.images[0] = made.images[0].replace("flight0/DJI_0000.JPG", "flight0/DJI&#10;0.JPG")
    made.files["images/flight0/DJI\n0.JPG"] = made.files.pop("images/flight0/DJI_0000.JPG")
    return made.zip(path)


WHOLE = r"DJI_0001\.JPG: expected a whole image, found \d+ bytes.*; export again from CVAT"


@pytest.mark.parametrize(
    ("spoilt", "expected"),
    [
        (big, r"DJI_0001\.JPG: expected the size that its labels are for, 20x16, found 30x16"),
        (link, "expected a file or a folder, found a link"),
        (cut, r"DJI_0001\.JPG: expected a whole image"),
        *((cut_of(kind), WHOLE) for kind in ("TIFF", "BMP", "GIF", "WEBP", "PNG", "JPEG")),
        (inks, r"DJI_0001\.JPG: expected grey or RGB"),
        (not_utf8, r"folder: '\S+\\udcff\.(png|jpg)': expected a file name in UTF-8, found another; rename it"),
        (
            lambda path: written(voc("x" * 300, "b"), path),
            r"bad\.zip: 'Seg\w+/x+'\.\.\.: expected names of at most 2",
        ),
        (lambda path: written(voc("a", "a.png/b"), path), r"bad\.zip: 'SegmentationClass/a\.png': expected a file or"),
        *(
            (label(name), r"bad\.zip: expected labels without control")
            for name in ("\ud800", "a\nb", "a\x1b[31m", "\x7f")
        ),
        (text, r"DJI_0001\.JPG: expected an image \(PNG, JPEG"),
        (line_break, "names without control characters"),
        (lambda path: path, "no such file"),
    ],
)
def test_a_bad_export_beside_a_good_one_changes_nothing(
    spoilt: Callable[[Path], Path], expected: str, clone: Clone, tmp_path: Path
) -> None:
    good, bad = export(flight(40, 5), "9").zip(tmp_path / "good.zip"), spoilt(tmp_path / "bad/bad.zip")
    before = clone.files()
    with pytest.raises(PixelproofError, match=expected):
        clone.told(good, bad)
    assert clone.files() == before and not (clone.folder / "data").exists()
    clone.told(good)
    before = clone.files()
    with pytest.raises(PixelproofError, match=expected):
        clone.told(bad)
    assert clone.files() == before


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "WEBP"])
def test_whole_photographs_of_any_format_are_taken(kind: str, clone: Clone, tmp_path: Path) -> None:
    made = export(FIRST, "12")
    made.files["images/flight0/DJI_0001.JPG"] = whole_of(kind)
    clone.told(made.zip(tmp_path / "a.zip"))
    assert len(clone.images()) == 24


def test_a_photograph_that_is_damaged_within_is_to_be_added_again(clone: Clone, tmp_path: Path) -> None:
    made = export(FIRST, "12")
    made.files["images/flight0/DJI_0001.JPG"] = unreadable(encoded(20, 16, ".jpg"))
    clone.told(made.zip(tmp_path / "a.zip"))
    with pytest.raises(DataError, match=r"expected a whole image, .*; add the export again with a whole photograph$"):
        clone.images()
    clone.told(export(FIRST, "12").zip(tmp_path / "b.zip"))
    assert len(clone.images()) == 24


def unreadable(jpeg: bytes) -> bytes:
    """A JPEG with all its parts, of which those that say how pixels are packed are empty."""
    at = jpeg.index(b"\xff\xc4") + 4
    length = int.from_bytes(jpeg[at - 2 : at], "big") - 2
    return jpeg[:at] + bytes(length) + jpeg[at + length :]


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def inverted(path: Path) -> None:
    """A whole image of the same size."""
    picture = ImageOps.invert(Image.open(path))
    picture.save(path)


def moved(path: Path) -> None:
    path.write_text(path.read_text().replace('xtl="3', 'xtl="2'))


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("kind", "damage", "name"),
    [
        ("photographs", cut_off, "a.zip"),
        ("photographs", inverted, "b.zip"),
        ("exports", moved, "a.zip"),
        ("exports", gone, "b.zip"),
    ],
)
def test_what_is_damaged_in_the_store_is_refused_or_replaced(
    kind: str, damage: Callable[[Path], None], name: str, clone: Clone, tmp_path: Path
) -> None:
    first, other = export(FIRST, "12").zip(tmp_path / "a.zip"), export(flight(40, 5), "9").zip(tmp_path / "c.zip")
    clone.told(first)
    whole, images = clone.files(), clone.images()
    damage(min(path for path in (clone.store / kind).rglob("*") if path.suffix in (".jpg", ".xml")))
    wrong = clone.files()
    said = rf"{kind}/\S+.*: expected the content that its name is a digest of, found another; add its export again, or"
    with pytest.raises(DataError, match=said):
        clone.images()
    with pytest.raises(DataError, match=said):
        clone.told(other)
    again = tmp_path / name  # of another name it is another export, though it says the same
    if again != first:
        shutil.copy(first, again)
    dry = clone.told(again, dry=True)
    assert clone.files() == wrong
    told = clone.told(again)
    assert "1 photographs or exports were damaged in data/annotations: they are replaced" in told
    assert told[:-1] == dry[:-1] and in_all(table(told)) == (0, 0, 0, 24) and "nothing changed" not in told
    assert clone.images() == images and (clone.files() == whole or (kind, name) == ("exports", "b.zip"))
    assert "nothing changed" in clone.told(again)


def test_parts_of_the_store_are_no_exports(clone: Clone, tmp_path: Path) -> None:
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    (inside,) = (path for path in (clone.store / "exports").iterdir() if path.is_dir())
    for path in (clone.store, inside, inside / "annotations.xml", clone.folder, Path("/")):
        with pytest.raises(DataError, match=r"found (the store itself|a part of the store|a folder that contains)"):
            clone.told(path)


def test_names_that_differ_in_case_only(clone: Clone, tmp_path: Path) -> None:
    images = {"a/X.png": (1, 1), "A/x.png": (2, 2), "a/x.PNG": (3, 3), "b/1.png": (4, 4), "c/1.png": (5, 5)}
    clone.told(export(images, "12").zip(tmp_path / "a.zip"))
    ids = [line.id for line in read_index(clone.store)]
    assert len({name.casefold() for name in ids}) == 5 and len(clone.images()) == 5


def test_what_dvc_keeps_must_be_here(clone: Clone, tmp_path: Path) -> None:
    path = export(FIRST, "12").zip(tmp_path / "a.zip")
    (clone.folder / "data").mkdir()
    (clone.folder / "data/annotations.dvc").write_text("outs: []\n")
    with pytest.raises(StateError, match=r"data/annotations: not here yet, only its \.dvc file; run `.*dvc pull"):
        clone.told(path)
    (clone.folder / "data/annotations.dvc").unlink()
    clone.told(path)
    min((clone.store / "photographs").iterdir()).unlink()
    with pytest.raises(StateError, match="1 photographs are missing"):
        clone.told(path)
    shutil.rmtree(clone.store / "photographs")
    with pytest.raises(PixelproofError, match="24 photographs are missing"):
        clone.told(path)
