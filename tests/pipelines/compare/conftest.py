"""The repository of compared.py, built once, and a copy of it for each test."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.forked import programs
from tests.once import once
from tests.pipelines.compare.compared import History, make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The repository with its revisions, built once for all processes."""

    def make_there(base: Path) -> History:
        with pytest.MonkeyPatch.context() as patch:
            fork(patch, base / "path")
            return make(base / "repo")

    return once(tmp_path_factory, "history", make_there)


@pytest.fixture
def history(made: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A copy of it, as the current folder."""
    copy = made.at(tmp_path / "repo")
    monkeypatch.chdir(copy.repo)
    fork(monkeypatch, tmp_path / "path")
    return copy


def fork(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Fork what is started as `python` or `dvc`: most of what stages and commands do here is to import."""
    patch.setattr(sys, "executable", str(programs(folder, "python")))
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
