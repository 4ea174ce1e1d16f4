"""Any single corruption of a dataset is found, and the message names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import (
    SPLITS,
    ClassInfo,
    Header,
    Sample,
    SplitWriter,
    read_image,
    read_mask,
    verify,
    write_header,
)
from pixelproof.data.images import Array, write_png

HEADER = Header("tiny", (ClassInfo(0, "road", (1, 2, 3)), ClassInfo(1, "car", (4, 5, 6), True)), ({"name": "tiny"},))
HEIGHT, WIDTH = 10, 12
BLANK = np.zeros((HEIGHT, WIDTH), np.uint8)
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def build(root: Path) -> None:
    """Three splits of two images each, with instances."""
    write_header(root, HEADER)
    for number, split in enumerate(SPLITS):
        writer = SplitWriter(root, split, HEADER)
        for name in ("a", "b"):
            sample = Sample(f"{split}-{name}", f"flight-{split}", WIDTH, HEIGHT, "tiny")
            rng = np.random.default_rng([number, ord(name)])
            image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            mask = rng.integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)
            writer.add(sample, image, mask, rng.integers(0, 9, (HEIGHT, WIDTH)))
        writer.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    build(tmp_path / "data")
    verify(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that tests change and restore."""
    folder = tmp_path_factory.mktemp("kept") / "data"
    build(folder)
    return folder


Corruption = Callable[[Path], None]


def _edit(old: str, new: str) -> Corruption:
    def corrupt(path: Path) -> None:
        text = path.read_text()
        assert text.count(old) >= 1
        path.write_text(text.replace(old, new, 1))

    return corrupt


def _header(**changes: object) -> Corruption:
    def corrupt(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return corrupt


def _without(key: str) -> Corruption:
    def corrupt(path: Path) -> None:
        value = json.loads(path.read_text())
        del value[key]
        path.write_text(json.dumps(value))

    return corrupt


def _array(array: Array) -> Corruption:
    return lambda path: write_png(path, array)


def _duplicate_line(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]))


def _swap_lines(path: Path) -> None:
    head, one, two = path.read_text().splitlines(keepends=True)
    path.write_text(head + two + one)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _truncate_before_end(path: Path) -> None:
    """The middle is missing, but the file still ends like a PNG."""
    content = path.read_bytes()
    path.write_bytes(content[:100] + content[-12:])


def _twice(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _bytes(content: bytes) -> Corruption:
    def corrupt(path: Path) -> None:
        path.write_bytes(content)

    return corrupt


def _class(**changes: object) -> list[dict[str, object]]:
    first = {"id": 0, "name": "road", "color": [1, 2, 3], "thing": False}
    return [first | changes, {"id": 1, "name": "car", "color": [4, 5, 6], "thing": True}]


IMG, MASK, INST, INDEX = "val/images/val-a.png", "val/masks/val-a.png", "val/instances/val-a.png", "val/index.csv"
CORRUPTIONS: list[tuple[str, str, Corruption]] = [
    ("truncated image", IMG, _truncate),
    ("truncated mask", MASK, _truncate),
    ("truncated instances", INST, _truncate),
    ("image without its middle", IMG, _truncate_before_end),
    ("empty image", IMG, _bytes(b"")),
    ("image with bytes after its end", IMG, _twice),
    ("wrong-size image", IMG, _array(IMAGE[:-1])),
    ("wrong-size mask", MASK, _array(BLANK[:-1])),
    ("wrong-size instances", INST, _array(BLANK[:-1].astype(np.uint16))),
    ("mask turned", MASK, _array(BLANK.T)),
    ("mask in colour", MASK, _array(IMAGE)),
    ("mask of 16 bits", MASK, _array(BLANK.astype(np.uint16))),
    ("instances of 8 bits", INST, _array(BLANK)),
    ("instances in colour", INST, _array(IMAGE.astype(np.uint16))),
    ("id out of range", MASK, _array(BLANK + 2)),
    ("id just below ignore", MASK, _array(BLANK + 254)),
    ("missing image", IMG, Path.unlink),
    ("missing mask", MASK, Path.unlink),
    ("folder for an image", IMG, _folder),
    ("extra image", "val/images/other.png", _bytes(b"")),
    ("extra image of the same id", "val/images/val-a.jpg", _bytes(b"")),
    ("extra mask", "val/masks/other.png", _bytes(b"")),
    ("mask of the same id in another form", "val/masks/val-a.jpg", _bytes(b"")),
    ("extra instances", "val/instances/other.png", _bytes(b"")),
    ("extra file in a split", "val/notes.txt", _bytes(b"")),
    ("extra file beside the splits", "notes.txt", _bytes(b"")),
    ("extra split", "val2", Path.mkdir),
    ("missing index", INDEX, Path.unlink),
    ("empty index", INDEX, _bytes(b"")),
    ("index that is not text", INDEX, _bytes(b"\xff\xfe\x00")),
    ("duplicate id", INDEX, _duplicate_line),
    ("unsorted index", INDEX, _swap_lines),
    ("line cut short", INDEX, _edit(",12,10,tiny,,,,", ",12")),
    ("line too long", INDEX, _edit(",12,10,tiny,,,,", ",12,10,tiny,,,,,more")),
    ("column renamed", INDEX, _edit("group", "flight")),
    ("column unknown", INDEX, _edit("metres_per_pixel", "metres")),
    ("width not a number", INDEX, _edit(",12,10", ",wide,10")),
    ("no width", INDEX, _edit(",12,10", ",0,10")),
    ("no group", INDEX, _edit("flight-val", "")),
    ("no source", INDEX, _edit("tiny", "")),
    ("id that leads outside", INDEX, _edit("val-a", "../val-a")),
    ("scale not a number", INDEX, _edit("tiny,,", "tiny,nan,")),
    ("group in two splits", INDEX, _edit("flight-val", "flight-train")),
    ("missing header", "dataset.json", Path.unlink),
    ("header that is not JSON", "dataset.json", _bytes(b"")),
    ("header that is a list", "dataset.json", _bytes(b"[]")),
    ("header without classes", "dataset.json", _without("classes")),
    ("header without a name", "dataset.json", _without("name")),
    ("header with another key", "dataset.json", _header(colour=1)),
    ("name not text", "dataset.json", _header(name=3)),
    ("classes not a list", "dataset.json", _header(classes=3)),
    ("class ids with a gap", "dataset.json", _header(classes=[_class()[0], _class()[1] | {"id": 2}])),
    ("class names the same", "dataset.json", _header(classes=_class(name="car"))),
    ("class id a text", "dataset.json", _header(classes=_class(id="0"))),
    ("class that is neither thing nor not", "dataset.json", _header(classes=_class(thing="no"))),
    ("colour of two numbers", "dataset.json", _header(classes=_class(color=[1, 2]))),
    ("colour out of range", "dataset.json", _header(classes=_class(color=[1, 2, 256]))),
    ("sources not a list", "dataset.json", _header(sources="tiny")),
    ("another ignore index", "dataset.json", _header(ignore_index=0)),
]  # fmt: skip


@pytest.mark.parametrize(("file", "corrupt"), [c[1:] for c in CORRUPTIONS], ids=[c[0] for c in CORRUPTIONS])
def test_a_corruption_is_found_and_named(root: Path, file: str, corrupt: Corruption) -> None:
    corrupt(root / file)
    with pytest.raises(DataError) as caught:
        verify(root)
    assert str(root / file) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_width_that_is_not_the_images_is_found_at_the_image(root: Path) -> None:
    _edit(",12,10", ",13,10")(root / INDEX)
    with pytest.raises(DataError, match=r"val/images/val-a.png: expected 13x10 pixels, found 12x10"):
        verify(root)


def test_an_id_in_two_splits_is_found(root: Path) -> None:
    for folder in ("images", "masks", "instances"):
        (root / "test" / folder / "test-b.png").rename(root / "test" / folder / "train-a.png")
    _edit("test-b", "train-a")(root / "test" / "index.csv")
    with pytest.raises(DataError, match=r"test/index.csv.*'train-a'"):
        verify(root)


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


a_png = st.sampled_from(
    [f"{s}/{f}/{s}-{n}.png" for s in SPLITS for f in ("images", "masks", "instances") for n in "ab"]
)
often = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@often
@given(a_png, st.data())
def test_any_flipped_bit_of_a_png_is_found(
    kept: Path, capfd: pytest.CaptureFixture[str], file: str, data: st.DataObject
) -> None:
    content = bytearray((kept / file).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with changed(kept / file, bytes(content)), pytest.raises(DataError) as caught:
        verify(kept)
    assert str(kept / file) in str(caught.value)
    assert capfd.readouterr().err == ""  # nor does OpenCV print a warning


@often
@given(a_png, st.data())
def test_any_truncation_of_a_png_is_found(kept: Path, file: str, data: st.DataObject) -> None:
    content = (kept / file).read_bytes()
    with (
        changed(kept / file, content[: data.draw(st.integers(0, len(content) - 1))]),
        pytest.raises(DataError) as caught,
    ):
        verify(kept)
    assert str(kept / file) in str(caught.value)


@often
@given(st.sampled_from(["dataset.json", "train/index.csv"]), st.data())
def test_changed_text_is_an_error_or_another_valid_dataset(kept: Path, file: str, data: st.DataObject) -> None:
    content = bytearray((kept / file).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with changed(kept / file, bytes(content)):
        try:
            verify(kept)
        except DataError as error:
            assert str(kept) in str(error)


@often
@given(st.data())
def test_a_truncated_jpeg_is_found(tmp_path: Path, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "root", ignore_errors=True)
    original = tmp_path / "camera.jpg"
    cv2.imwrite(str(original), np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    content = original.read_bytes()
    original.write_bytes(content[: data.draw(st.integers(3, len(content) - 1))])
    writer = SplitWriter(tmp_path / "root", "train", HEADER)
    good = Sample("a", "g", WIDTH, HEIGHT, "tiny")
    writer.add(good, original, BLANK)
    with pytest.raises(DataError, match=r"train/images/a.jpg"):
        read_image(tmp_path / "root", "train", good)
    assert read_mask(tmp_path / "root", "train", good, 2).shape == BLANK.shape
