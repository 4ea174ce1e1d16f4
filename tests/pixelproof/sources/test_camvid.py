"""CamVid's source: its facts, and its conversion of a small archive with the layout of the real one."""

from __future__ import annotations

import dataclasses
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import Sample, iterate, read_header, read_split, verify
from pixelproof.data.images import decode
from pixelproof.fetch.unpack import digest
from pixelproof.sources import camvid
from pixelproof.sources.request import Request
from stages.download.archive import obtain_archives

FRAMES = {"train": ["0016E5_00390", "0001TP_006690"], "val": ["0016E5_07959"], "test": ["0001TP_008550"]}


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the archive's CamVid: images, masks with void as 11, lists with paths of another machine."""
    monkeypatch.setattr(camvid, "COUNTS", {split: len(names) for split, names in FRAMES.items()})
    folder, rng = tmp_path / "CamVid", np.random.default_rng(0)
    for split, names in FRAMES.items():
        for name in names:
            for place, shape, top in ((split, (360, 480, 3), 256), (f"{split}annot", (360, 480), 12)):
                (folder / place).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / place / f"{name}.png"), rng.integers(0, top, shape, dtype=np.uint8))
        lines = [f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png" for name in names]
        (folder / f"{split}.txt").write_text("\n".join(lines))
    return folder


def request(archive: Path) -> Request:
    return Request(seed=0, archive=archive, options={}, workers=1)


def test_the_published_split_is_kept_and_void_is_ignored(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    camvid.convert(request(raw), root)
    verify(root)
    for split, names in FRAMES.items():
        assert read_split(root, split) == [Sample(n, n, 480, 360, "camvid") for n in sorted(names)]
        for sample, _, mask in iterate(root, split):
            published = decode(raw / f"{split}annot" / f"{sample.id}.png", cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(mask, np.where(published == 11, 255, published))
            copied = root / split / "images" / f"{sample.id}.png"
            assert copied.read_bytes() == (raw / split / f"{sample.id}.png").read_bytes()


def test_the_variant_12_counts_void(raw: Path, tmp_path: Path) -> None:
    camvid.convert(dataclasses.replace(request(raw), variant="12"), tmp_path / "out")
    assert read_header(tmp_path / "out").names()[11:] == ["void"] and camvid.FACTS.variants == ["11", "12"]
    for sample, _, mask in iterate(tmp_path / "out", "test"):
        np.testing.assert_array_equal(mask, decode(raw / f"testannot/{sample.id}.png", cv2.IMREAD_UNCHANGED))


def test_from_archive_to_dataset(raw: Path, tmp_path: Path) -> None:
    archive = dataclasses.replace(camvid.FACTS.archives[0], digest=digest(raw))
    with tarfile.open(tmp_path / f"{archive.name}.tar", "w") as packed:
        packed.add(raw, f"{archive.name}/CamVid")
    folder = obtain_archives([archive], tmp_path / "unpacked", {"DATA_MIRROR": str(tmp_path)})
    camvid.convert(request(folder), tmp_path / "out")
    verify(tmp_path / "out")


@pytest.mark.parametrize("folders", [["train"], ["trainannot"], ["train", "trainannot"]])
def test_a_missing_file_is_an_error(raw: Path, tmp_path: Path, folders: list[str]) -> None:
    for folder in folders:
        (raw / folder / "0016E5_00390.png").unlink()
    with pytest.raises(
        DataError, match=r"train: expected 2 images, each with a mask, found [12] images and [12] masks"
    ):
        camvid.convert(request(raw), tmp_path / "out")


def test_an_unknown_class_is_an_error(raw: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(raw / "valannot" / "0016E5_07959.png"), np.full((360, 480), 12, np.uint8))
    with pytest.raises(DataError, match=r"val/0016E5_07959: expected class ids 0 to 10, or 255, found id 12"):
        camvid.convert(request(raw), tmp_path / "out")


def test_the_header_says_where_groups_cross(raw: Path, tmp_path: Path) -> None:
    camvid.convert(request(raw), tmp_path / "out")
    header = read_header(tmp_path / "out")
    assert len(header.classes) == 11 and len({c.color for c in header.classes}) == 11
    assert "0016E5" in header.sources[0]["note"] and "0001TP" in header.sources[0]["note"]
    assert header.sources[0]["licence"] and header.sources[0]["url"].startswith("https://")


def test_the_archive_is_pinned() -> None:
    (archive,) = camvid.FACTS.archives
    repository, _, revision = archive.name.rpartition("-")
    assert archive.url == f"https://github.com/alexgkendall/{repository}/archive/{revision}.tar.gz"
    assert len(revision) == 40 and len(archive.digest) == 64
