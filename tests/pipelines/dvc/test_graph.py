"""The graph as DVC sees it: order, edges, what targets need, what would run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.dvc.graph import changed_stages, open_repo, read_graph
from pipelines.dvc.revision import open_revision
from pixelproof.core.errors import StateError
from tests.pipelines.conftest import commit, python


def test_stages_come_after_what_they_need(clone: Path) -> None:
    with open_repo() as repo:
        graph = read_graph(repo)
    assert graph.order == ("download", "cvat", "prepare", "train@unet", "train@fcn", "report")
    assert graph.needs == {
        "download": (),
        "cvat": (),
        "prepare": ("download", "cvat"),
        "train@unet": ("prepare",),
        "train@fcn": ("prepare",),
        "report": ("train@unet", "train@fcn"),
    }


def test_targets_bring_only_what_they_need(clone: Path) -> None:
    with open_repo() as repo:
        assert read_graph(repo, ["cvat"]).order == ("cvat",)
        assert read_graph(repo, ["train@fcn"]).order == ("download", "cvat", "prepare", "train@fcn")
        assert read_graph(repo, ["train"]).order == ("download", "cvat", "prepare", "train@unet", "train@fcn")
        with pytest.raises(StateError, match=r"target 'trian'.*did you mean 'train'"):
            read_graph(repo, ["trian"])


def test_only_stages_that_dvc_would_run_are_changed(repo: Path) -> None:
    with open_repo() as dvc:
        assert changed_stages(dvc, read_graph(dvc).order) == set()
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("lr: 0.1", "lr: 0.2"))
    Path("data/cvat/out.txt").unlink()
    with open_repo() as dvc:
        # prepare reads data/cvat; it is as changed as cvat until that is back
        assert changed_stages(dvc, read_graph(dvc).order) == {"cvat", "prepare", "train@unet", "train@fcn"}
        assert changed_stages(dvc, ["cvat", "report"]) == {"cvat"}


def test_a_folder_that_is_no_clone_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StateError, match="run this in the folder of the clone"), open_repo():
        pass


@pytest.mark.parametrize("where", [".dvcignore", "examples/.dvcignore"])
def test_a_dvcignore_that_is_not_utf_8_is_one_line(clone: Path, where: str) -> None:
    right = commit(clone)
    Path(where).write_bytes("# café\n".encode("latin-1"))
    said = "expected UTF-8 text, found the byte 0xe9; save it as UTF-8"
    for command in ("check", "plan", "gc"):
        done = python(command, cwd=clone)
        assert (done.returncode, done.stderr) == (2, f"error: {where}: {said}\n")
    wrong = commit(clone)
    Path(where).unlink()
    done = python("check", wrong, cwd=clone)
    assert (done.returncode, done.stderr) == (2, f"error: a .dvcignore of that revision: {said}\n")
    assert python("check", right, cwd=clone).returncode == 0


def test_another_file_that_cannot_be_decoded_is_not_taken_for_dvcignore(clone: Path) -> None:
    with pytest.raises(UnicodeDecodeError), open_repo():
        b"\xe9".decode()


def test_a_clone_of_another_user_is_one_line(monkeypatch: pytest.MonkeyPatch, repo: Path) -> None:
    """With git's own remedy; it was called a revision that git does not know."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests use it
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    with pytest.raises(StateError, match=r"^git: a clone that belongs to another user; `git config .*safe\.directory "):
        open_revision("HEAD")
