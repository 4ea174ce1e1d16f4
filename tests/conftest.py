"""The two tiny runs of the whole pipeline that several test modules share, each made once for all processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import forked
from tests.once import once
from tests.workspace import OPENED, Run, Workspace, auditing, make_workspace, tiny_run

settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # tests must not fail because the machine is busy
settings.load_profile("patient")


def pytest_configure() -> None:
    """Before xdist starts its processes: they share what starts processes fast."""
    forked.begin()


def pytest_unconfigure() -> None:
    """After xdist's processes have ended."""
    forked.end()


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run from scratch, each of its processes forked, which takes a third of the time."""
    return once(tmp_path_factory, "first", lambda base: tiny_run(make_workspace(base).forked()))


@pytest.fixture
def after_first_run(first_run: Run, tmp_path: Path) -> Workspace:
    """A copy of its clone, to change."""
    return first_run.workspace.at(tmp_path / "a clone")


@pytest.fixture(scope="session")
def audited_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run as any user would make it, in another folder, with every file that it opens logged beside it."""
    return once(tmp_path_factory, "second", lambda base: tiny_run(make_workspace(base), auditing(base / OPENED)))


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that a test calls does its work: what an earlier test made would hide a change of a function."""
    monkeypatch.setenv("PIXELPROOF_REMEMBERED", "0")
