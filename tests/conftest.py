"""The two tiny runs of the whole pipeline that several test modules share, each made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.workspace import Run, auditing, tiny_run

settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # tests must not fail because the machine is busy
settings.load_profile("patient")


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run from scratch, as any user would make it."""
    return tiny_run(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="session")
def audit_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the audited run logs the files that it opens, in one file per stage."""
    return tmp_path_factory.mktemp("opened")


@pytest.fixture(scope="session")
def audited_run(tmp_path_factory: pytest.TempPathFactory, audit_logs: Path) -> Run:
    """The same run again, from scratch in another folder, with every file that it opens logged."""
    return tiny_run(tmp_path_factory.mktemp("second"), auditing(audit_logs))
