"""Files in two places: the same bytes, and never one file that both places may write to."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from pixelproof.core.links import FICLONE, link


def made(path: Path, content: bytes = b"photograph", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def same_file(one: Path, other: Path) -> bool:
    return one.stat().st_ino == other.stat().st_ino


def test_a_file_that_may_be_written_to_is_another_file(tmp_path: Path) -> None:
    source = made(tmp_path / "a/x.jpg", mode=0o664)
    os.link(source, tmp_path / "a/second name.jpg")
    link(source, tmp_path / "y.jpg")
    source.write_bytes(b"changed in place")
    assert (tmp_path / "y.jpg").read_bytes() == b"photograph"


def test_a_read_only_file_with_one_name_is_another_file(tmp_path: Path) -> None:
    """Its owner may give it write permission again; DVC's cache is not its other name."""
    source = made(tmp_path / "x.jpg", mode=0o444)
    link(source, tmp_path / "y.jpg")
    assert not same_file(source, tmp_path / "y.jpg")
    (tmp_path / "y.jpg").write_bytes(b"may be written")  # the copy has no protection of its own
    assert source.read_bytes() == b"photograph"


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_what_dvc_protects_gets_one_more_name(tmp_path: Path, kind: str) -> None:
    cached, source = made(tmp_path / "cache/1f/02", mode=0o444), tmp_path / "x.jpg"
    os.link(cached, source) if kind == "hardlink" else source.symlink_to(cached)
    link(source, tmp_path / "y.jpg")
    assert same_file(cached, tmp_path / "y.jpg")
    assert not (tmp_path / "y.jpg").is_symlink()


def test_it_copies_where_no_more_names_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = made(tmp_path / "cache/1f/02", mode=0o444)
    os.link(cached, tmp_path / "x.jpg")

    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "too many links")

    monkeypatch.setattr(os, "link", refuse)
    link(tmp_path / "x.jpg", tmp_path / "y.jpg")
    assert (tmp_path / "y.jpg").read_bytes() == b"photograph"
    assert not same_file(cached, tmp_path / "y.jpg")


def test_blocks_are_shared_where_the_disk_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, asked = made(tmp_path / "x.jpg"), []

    def clone(new: int, request: int, old: int) -> int:
        asked.append(request)
        os.write(new, os.pread(old, 1000, 0).upper())  # so that a copy instead would show
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    link(source, tmp_path / "y.jpg")
    assert asked == [FICLONE]
    assert (tmp_path / "y.jpg").read_bytes() == b"PHOTOGRAPH"


def test_it_replaces_a_file_and_not_what_it_is_linked_to(tmp_path: Path) -> None:
    other = made(tmp_path / "cache/other", b"other")
    os.link(other, tmp_path / "y.jpg")
    link(made(tmp_path / "x.jpg"), tmp_path / "y.jpg")
    assert (tmp_path / "y.jpg").read_bytes() == b"photograph"
    assert other.read_bytes() == b"other"


def test_a_second_link_to_one_file_leaves_nothing_behind(tmp_path: Path) -> None:
    cached = made(tmp_path / "cache/1f/02", mode=0o444)
    os.link(cached, tmp_path / "x.jpg")
    for _ in range(2):
        link(tmp_path / "x.jpg", tmp_path / "y.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "x.jpg", "y.jpg"]


def test_nothing_is_left_of_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        link(tmp_path / "missing.jpg", tmp_path / "y.jpg")
    assert list(tmp_path.iterdir()) == []
