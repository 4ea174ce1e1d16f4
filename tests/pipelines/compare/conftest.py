"""The repository of compared.py, built once, and a copy of it for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.once import once
from tests.pipelines.compare.compared import History, make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The repository with its revisions, built once for all processes."""
    return once(tmp_path_factory, "history", lambda base: make(base / "repo"))


@pytest.fixture
def history(made: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A copy of it, as the current folder."""
    copy = made.at(tmp_path / "repo")
    monkeypatch.chdir(copy.repo)
    return copy
