"""`pixelproof cvat status`: the real SDK against a server on loopback."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from commands.__main__ import main
from pixelproof.core.errors import StateError
from tests.commands.cvat_place import pauses, server
from tests.cvat_server import CvatServer

__all__ = ["pauses", "server"]


def status(tmp_path: Path) -> bytes:
    """What it writes about a project."""
    main(["cvat", "status", "--project", "5", "--out", str(tmp_path / "status.json")])
    return (tmp_path / "status.json").read_bytes()


def test_jobs_are_counted(server: CvatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(status(tmp_path))
    assert capsys.readouterr().out.splitlines() == [
        "task 7 'flight 7': 1 of 1 jobs accepted or completed",
        "task 8 'flight 8': 1 of 3 jobs accepted or completed",
    ]
    assert [job["accepted"] for job in found["tasks"]["8"]["jobs"].values()] == [True, False, False]
    assert server.count("dataset/export") == 0  # no labels are asked for: that takes minutes


def test_the_file_changes_with_the_server_alone(server: CvatServer, tmp_path: Path) -> None:
    first = status(tmp_path)
    assert status(tmp_path) == first
    job = server.tasks[8].jobs[1]
    server.tasks[8].jobs[1] = replace(job, state="completed")
    second = status(tmp_path)
    server.tasks[7].updated = "2024-06-01T10:00:00.000000Z"  # somebody saved labels
    third = status(tmp_path)
    server.tasks[8].jobs[1] = replace(job, state="completed", updated="2024-06-01T10:00:00.000000Z")
    assert len({first, second, third, status(tmp_path)}) == 4


def test_a_project_or_a_task_is_needed() -> None:
    with pytest.raises(StateError, match="neither a project nor a task; give --project or --task"):
        main(["cvat", "status"])
