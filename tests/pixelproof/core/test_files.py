"""Folders that are written as a whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pixelproof.core.files import whole_folder, write_bytes


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "results"
    with whole_folder(target) as folder:
        (folder / "old").touch()
    with pytest.raises(ZeroDivisionError), whole_folder(target) as folder:
        (folder / "half").touch()
        raise ZeroDivisionError
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["results", "results/old"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """`.0.4711.tmp` is of the folder `0`; the others are of other folders, or somebody's own."""
    left, kept = tmp_path / ".0.4711.tmp", [".1.4711.tmp", ".0.mine.tmp", "0.4711.tmp", ".0.4711.tmp.old"]
    for name in (left.name, *kept):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with whole_folder(tmp_path / "0"):
        assert not left.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["0", *kept])


def test_a_full_disk_is_named_and_other_errors_are_as_they_were(tmp_path: Path) -> None:
    def failing(*what: object) -> OSError:
        with pytest.raises(OSError) as raised, whole_folder(tmp_path / "out"):
            raise OSError(*what)
        return raised.value

    assert failing(errno.ENOSPC, "No space left on device").filename == str(tmp_path / "out")
    assert failing(errno.EDQUOT, "Quota exceeded", "mine").filename == "mine"
    assert failing(errno.ECONNRESET, "Connection reset").filename is None
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_temporary_file_names_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file/inside", tmp_path / "folder"):
        with pytest.raises(OSError) as raised:
            write_bytes(target, b"new")
        assert (raised.value.filename, raised.value.filename2) == (str(target), None)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
