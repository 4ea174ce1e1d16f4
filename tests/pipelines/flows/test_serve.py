"""`serve`: the schedule of prefect.yaml makes runs happen, on loopback, with nothing written outside the clone."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest
import yaml

from pipelines.flows.serve import serve
from pixelproof.core.errors import StateError
from tests.pipelines.conftest import ROOT, Served, serving, sh


def test_a_scheduled_run_finishes(served: Served) -> None:
    run = served.scheduled_run
    assert run["auto_scheduled"]
    assert run["state_name"] == "Completed", run["state"]["message"]
    assert run["state"]["message"] == "0 ran, 0 restored, 6 skipped"
    assert run["work_pool_name"] == "pixelproof"
    assert set(served.task_runs(run["id"])) == {"download", "cvat", "prepare", "train@unet", "train@fcn", "report"}


def test_only_loopback_is_served_and_all_is_kept_in_the_clone(served: Served) -> None:
    family = [served.process, *served.process.children(recursive=True)]
    listening = {c.laddr.ip for p in family for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert (served.repo / ".pixelproof/prefect/prefect.db").exists()
    assert not Path.home().joinpath(".prefect").exists()
    assert sh("git", "status", "--porcelain", cwd=served.repo).stdout == " M prefect.yaml\n"  # the test's own schedule


@pytest.mark.slow
def test_a_cron_of_every_minute_runs(reproduced: Path, tmp_path: Path) -> None:
    with serving(reproduced, tmp_path / "repo", {"cron": "* * * * *"}, seconds=300) as served:
        assert served.scheduled_run["state_name"] == "Completed"


def test_a_taken_port_is_an_error(clone: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StateError, match=r"cannot be served.*give another with --port"):
            serve(taken.getsockname()[1])
    with pytest.raises(StateError, match="cannot be served"):
        serve(70_000)


def test_the_schedule_of_the_project_is_nightly() -> None:
    (deployment,) = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert deployment["name"] == "reproduce"
    assert deployment["schedules"] == [{"cron": "0 3 * * *", "timezone": "UTC"}]
