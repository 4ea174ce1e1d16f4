"""Images kept decoded are the images, whatever happens to the file that keeps them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.train.data import Labelled
from stages.train.decoded import Decoded, key, take_room
from tests.stages.train.conftest import write_split

GIB_OF_FIVE = 5 * 64 * 64 * 4 / 2**30


@pytest.fixture
def data(tmp_path: Path) -> Labelled:
    """Eight images."""
    write_split(tmp_path / "data", "train", 8)
    return Labelled.open([(tmp_path / "data", "train")])


def same(kept: Decoded, expected: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether every pixel and class is as expected."""
    found = [kept.read(index) for index in range(len(kept))]
    pairs = zip((part for pair in found for part in pair), (part for pair in expected for part in pair), strict=True)
    return all(np.array_equal(one, two) for one, two in pairs)


def test_they_are_read_once_and_stay_the_same(data: Labelled, tmp_path: Path) -> None:
    """Two readings and another process's, of which the last needs no image file any more."""
    expected = [data.read(index) for index in range(len(data))]
    kept = Decoded(data, "d", 1.0, tmp_path / "kept")
    assert same(kept, expected) and same(kept, expected)
    assert [kept.id(3), len(kept)] == [data.id(3), 8]
    for file in (tmp_path / "data").rglob("*.png"):
        file.unlink()
    assert same(Decoded(data, "d", 1.0, tmp_path / "kept"), expected)
    travelled = pickle.dumps(kept)
    assert len(travelled) < 10_000 and same(pickle.loads(travelled), expected)  # noqa: S301


def test_what_was_half_written_is_decoded_again(data: Labelled, tmp_path: Path) -> None:
    """One pixel differs from what the checksum was taken of."""
    expected = [data.read(index) for index in range(len(data))]
    assert same(Decoded(data, "d", 1.0, tmp_path / "kept"), expected)
    (pixels,) = (tmp_path / "kept").rglob("pixels")
    content = bytearray(pixels.read_bytes())
    content[64 * 64 * 4 + 17] ^= 1
    pixels.write_bytes(content)
    assert same(Decoded(data, "d", 1.0, tmp_path / "kept"), expected)


@pytest.mark.parametrize("damage", ["sums gone", "pixels cut", "pixels a folder", "all a file"])
def test_what_somebody_damaged_is_made_again(data: Labelled, tmp_path: Path, damage: str) -> None:
    expected = [data.read(index) for index in range(len(data))]
    assert same(Decoded(data, "d", 1.0, tmp_path / "kept"), expected)
    (pixels,) = (tmp_path / "kept").rglob("pixels")
    if damage == "sums gone":
        (pixels.parent / "sums").unlink()
    elif damage == "pixels cut":
        os.truncate(pixels, 100)
    elif damage == "pixels a folder":
        pixels.unlink()
        pixels.mkdir()
    else:
        shutil.rmtree(tmp_path / "kept")
        (tmp_path / "kept").write_bytes(b"")
    assert same(Decoded(data, "d", 1.0, tmp_path / "kept"), expected)


def read_together(meeting: Any, folder: Path, kept: Path, number: int) -> None:
    """In one of several processes: all start at once, and each two of them share the data."""
    data = Labelled.open([(folder, "train")])
    for turn in range(20):
        meeting.wait(60)
        try:
            found = Decoded(data, f"{turn}-{number % 2}", 1.0, kept)
        except OSError:
            meeting.abort()  # the others need not wait
            raise
        if found.maps is None or not same(found, [data.read(index) for index in range(len(data))]):
            meeting.abort()
            raise AssertionError(f"turn {turn}")


def test_processes_that_start_at_once_do_not_delete_each_others(data: Labelled, tmp_path: Path) -> None:
    """Eight, twenty times over, on two sets of data in turn: each deletes what is there of other data, as is right."""
    context = multiprocessing.get_context("fork")
    meeting = context.Barrier(8)
    arguments = (meeting, tmp_path / "data", tmp_path / "kept")
    processes = [context.Process(target=read_together, args=(*arguments, number)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8


def test_no_more_than_params_allow_is_kept(data: Labelled, tmp_path: Path) -> None:
    """Five of eight; none; and all, where it was five before."""
    expected = [data.read(index) for index in range(len(data))]
    for gib, count in ((GIB_OF_FIVE, 5), (0.0, 0), (1.0, 8)):
        kept = Decoded(data, "d", gib, tmp_path / "kept")
        assert same(kept, expected) and kept.kept == count
        sizes = [file.stat().st_size for file in (tmp_path / "kept").rglob("pixels")]
        assert not count or sizes == [count * 64 * 64 * 4]


@pytest.mark.parametrize("size", [1, 2**20, 2**21 + 5])
def test_macos_takes_the_room_by_writing(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with (tmp_path / "file").open("wb") as file:
        take_room(file, size)
    assert (tmp_path / "file").read_bytes() == bytes(size)


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file of this process may grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("system", ["Linux", "macOS"])
def test_without_room_images_are_decoded_each_time(
    system: str, data: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk ends nothing and leaves nothing."""
    if system == "macOS":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    expected = [data.read(index) for index in range(len(data))]
    with full_disk(1000):
        kept = Decoded(data, "d", 1.0, tmp_path / "kept")
    assert same(kept, expected)
    assert not [file for file in (tmp_path / "kept").rglob("*") if file.is_file()]


def test_the_key_is_of_images_and_of_what_decodes_them() -> None:
    """Another image or another OpenCV is another file; another architecture is not."""
    files = {
        "data/prepared/train/images/a.png": "1",
        "data/augmented/train/masks/b.png": "2",
        "pixelproof/core/versions.json": "3",
        "data/configs/unet.json": "4",
        "data/prepared/val/images/c.png": "5",
    }
    for name, shared in zip(files, [False, False, False, True, True], strict=True):
        assert (key(files | {name: "changed"}) == key(files)) is shared, name
