"""What is written is read back unchanged and always has the same bytes; wrong data is not written."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import (
    IGNORE,
    ClassInfo,
    Header,
    Sample,
    SplitWriter,
    image_path,
    iterate,
    read_header,
    read_instances,
    read_split,
    verify,
    write_header,
)
from pixelproof.data.images import Array

HEADER = Header("tiny", (ClassInfo(0, "road", (1, 2, 3)), ClassInfo(1, "car", (4, 5, 6), True)), ({"name": "tiny"},))
HEIGHT, WIDTH = 10, 12

printable = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=12).filter(
    str.isprintable
)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    names = draw(st.lists(printable, max_size=5, unique=True))
    color = st.tuples(*[st.integers(0, 255)] * 3)
    classes = tuple(ClassInfo(i, name, draw(color), draw(st.booleans())) for i, name in enumerate(names))
    return Header(draw(printable), classes, tuple(draw(st.lists(st.dictionaries(printable, printable), max_size=2))))


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    def sample(name: str) -> Sample:
        parent, place = draw(st.none() | ids), st.none() | st.integers(0, 9999)
        scale = draw(st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=False))
        size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
        return Sample(name, draw(printable), *size, draw(printable), scale, parent, draw(place), draw(place))

    return [sample(name) for name in draw(st.lists(ids, max_size=4, unique=True))]


def arrays(sample: Sample, header: Header, seed: int) -> tuple[Array, Array, Array | None]:
    """An image, a mask and sometimes instances."""
    rng = np.random.default_rng(seed)
    size = (sample.height, sample.width)
    mask = rng.choice([*range(len(header.classes)), IGNORE], size=size).astype(np.uint8)
    instances = rng.integers(0, 65536, size).astype(np.uint16) if rng.random() < 0.7 else None
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8), mask, instances


def write_all(
    root: Path, header: Header, todo: list[Sample], contents: dict[str, tuple[Array, Array, Array | None]]
) -> None:
    write_header(root, header)
    writer = SplitWriter(root, "train", header)
    for sample in todo:
        writer.add(sample, *contents[sample.id])
    writer.close()


def contents_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@given(headers(), samples(), st.integers(0, 2**32))
def test_samples_are_read_back_and_give_the_same_bytes_in_any_order(
    header: Header, todo: list[Sample], seed: int
) -> None:
    contents = {s.id: arrays(s, header, seed + i) for i, s in enumerate(todo)}
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one", Path(folder) / "two"
        write_all(one, header, todo, contents)
        write_all(two, header, todo[::-1], contents)
        assert contents_of(one) == contents_of(two)
        verify(one, ("train",))
        assert read_header(one) == header
        assert read_split(one, "train") == sorted(todo, key=lambda s: s.id)
        for sample, image, mask in iterate(one, "train"):
            written = contents[sample.id]
            np.testing.assert_array_equal(image, written[0])
            np.testing.assert_array_equal(mask, written[1])
            instances = read_instances(one, "train", sample)
            assert (instances is None) == (written[2] is None)
            if instances is not None:
                np.testing.assert_array_equal(instances, written[2])


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg", ".jpeg"])
def test_an_image_file_is_copied_byte_for_byte(tmp_path: Path, suffix: str) -> None:
    """And gets the ending of what it is, whatever it was called."""
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    original = tmp_path / f"camera{suffix}"
    cv2.imwrite(str(original), image)
    sample = Sample("a", "g", WIDTH, HEIGHT, "tiny")
    write_all(tmp_path / "root", HEADER, [sample], {"a": (original, np.zeros((HEIGHT, WIDTH), np.uint8), None)})  # type: ignore[dict-item]
    verify(tmp_path / "root", ("train",))
    assert image_path(tmp_path / "root", "train", "a").read_bytes() == original.read_bytes()
    other = original.rename(tmp_path / f"camera{'.jpg' if suffix.lower() == '.png' else '.png'}")
    write_all(tmp_path / "other", HEADER, [sample], {"a": (other, np.zeros((HEIGHT, WIDTH), np.uint8), None)})  # type: ignore[dict-item]
    verify(tmp_path / "other", ("train",))
    assert image_path(tmp_path / "other", "train", "a").read_bytes() == other.read_bytes()


def test_masks_and_instances_are_what_other_readers_see(tmp_path: Path) -> None:
    """Pillow, an independent reader, sees the numbers that were written, and RGB in this order."""
    image_module = pytest.importorskip("PIL.Image")
    sample = Sample("a", "g", 2, 1, "tiny")
    image = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    mask, instances = np.array([[1, 255]], np.uint8), np.array([[0, 65535]], np.uint16)
    write_all(tmp_path, HEADER, [sample], {"a": (image, mask, instances)})
    for folder, expected in (("images", image), ("masks", mask), ("instances", instances)):
        with image_module.open(tmp_path / "train" / folder / "a.png") as opened:
            np.testing.assert_array_equal(np.asarray(opened), expected)


# --- what is refused -------------------------------------------------------------------------------------------------


GOOD = Sample("a", "g", WIDTH, HEIGHT, "tiny")
BLANK = np.zeros((HEIGHT, WIDTH), np.uint8)
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize(
    ("sample", "image", "mask", "instances"),
    [
        (dataclasses.replace(GOOD, id="../a"), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, id=""), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, group=""), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, group="two\rlines"), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, source="a\0"), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, metres_per_pixel=float("nan")), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, metres_per_pixel=0.0), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, parent="a/b"), IMAGE, BLANK, None),
        (dataclasses.replace(GOOD, width=WIDTH + 1), IMAGE, BLANK, None),
        (GOOD, IMAGE[:-1], BLANK, None),
        (GOOD, IMAGE[..., :1], BLANK, None),
        (GOOD, IMAGE.astype(np.float32), BLANK, None),
        (GOOD, Path(__file__), BLANK, None),
        (GOOD, IMAGE, BLANK[:, :-1], None),
        (GOOD, IMAGE, BLANK.astype(np.int64), None),
        (GOOD, IMAGE, IMAGE, None),
        (GOOD, IMAGE, BLANK + 2, None),
        (GOOD, IMAGE, BLANK, BLANK[:-1]),
        (GOOD, IMAGE, BLANK, IMAGE),
        (GOOD, IMAGE, BLANK, BLANK.astype(np.int32) + 65536),
        (GOOD, IMAGE, BLANK, BLANK.astype(np.int32) - 1),
        (GOOD, IMAGE, BLANK, BLANK.astype(np.float32)),
    ],
)
def test_wrong_data_is_not_written(
    tmp_path: Path, sample: Sample, image: Array | Path, mask: Array, instances: Array | None
) -> None:
    writer = SplitWriter(tmp_path, "train", HEADER)
    with pytest.raises(DataError, match="train/"):
        writer.add(sample, image, mask, instances)
    assert not contents_of(tmp_path)


def test_a_duplicate_id_is_refused(tmp_path: Path) -> None:
    writer = SplitWriter(tmp_path, "train", HEADER)
    writer.add(GOOD, IMAGE, BLANK)
    with pytest.raises(DataError, match=r"train/a: expected a unique id"):
        writer.add(GOOD, IMAGE, BLANK)
