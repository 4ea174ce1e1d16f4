"""Kills of what `serve` consists of: nothing stays behind, and each run ends as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines.flows.left import SERVED, end_left, mark
from pixelproof.core.errors import StateError
from tests.pipelines.conftest import sh
from tests.pipelines.flows.conftest import Served, restarted, serving
from tests.pipelines.flows.test_reproduce import wait_for

PATIENCE = 240


def test_a_run_whose_process_is_killed_goes_on(served: Served) -> None:
    """Its stage ends with it, and the same run starts again and ends well."""
    stage, run = begun(served)
    part(served, "prefect.engine").kill()
    wait_for(lambda: not stage.is_running(), PATIENCE)
    finish(served, run)
    (found,) = served.ask("flow_runs", flow_runs={"id": {"any_": [run]}})
    assert found["run_count"] == 2
    sh("dvc", "status", cwd=served.repo)
    sh("git", "checkout", "-q", "examples", "dvc.lock", cwd=served.repo)  # for the other tests
    sh("dvc", "checkout", "-q", cwd=served.repo)
    (served.repo / "control").rmdir()


@pytest.mark.slow
def test_whatever_is_killed_a_run_goes_on_to_its_end(reproduced: Path, tmp_path: Path) -> None:
    """Its process, the worker, the server, and at last all of `serve`, whose next start mends the run."""
    with serving(reproduced, tmp_path / "repo", {"interval": 5}, seconds=240) as served:
        for word in ("prefect.engine", "worker", "pipelines.flows.server"):
            stage, run = begun(served)
            part(served, word).kill()
            wait_for(lambda gone=stage: not gone.is_running(), PATIENCE)
            finish(served, run)
        stage, run = begun(served)
        family = [stage, *served.process.children(recursive=True)]
        served.process.kill()
        _, left = psutil.wait_procs(family, timeout=PATIENCE)
        assert not left
        restarted(served)
        finish(served, run)
        assert {run["state_type"] for run in served.ask("flow_runs")} <= {"COMPLETED", "SCHEDULED", "CRASHED"}
        sh("dvc", "status", cwd=served.repo)


def part(served: Served, word: str) -> psutil.Process:
    """The process of `serve` with a word in its command."""
    return next(one for one in served.process.children(recursive=True) if word in " ".join(one.cmdline()))


def begun(served: Served) -> tuple[psutil.Process, str]:
    """A run whose first stage hangs: the process of that, and the run's id."""
    stage = served.start_a_run_that_hangs()
    (run,) = served.ask("flow_runs", flow_runs={"state": {"type": {"any_": ["RUNNING"]}}})
    return stage, run["id"]


def finish(served: Served, run: str) -> None:
    """Let the stage end the next time, and wait until the run has ended well."""
    for name in ("pid", "cvat"):
        (served.repo / "control" / name).unlink(missing_ok=True)

    def completed() -> bool:
        try:
            (found,) = served.ask("flow_runs", flow_runs={"id": {"any_": [run]}})
        except httpx.HTTPError:  # the server is away
            return False
        return bool(found["state_type"] == "COMPLETED")

    wait_for(completed, PATIENCE)


def test_what_a_killed_serve_has_left_is_named_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of this clone alone, and only if that `serve` has ended."""
    monkeypatch.chdir(tmp_path)
    owner = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    own, others = f"{int(owner.stdout)} 0.0 {tmp_path}", f"{int(owner.stdout)} 0.0 {tmp_path}/another"
    hang = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    processes = [
        subprocess.Popen(hang, env=os.environ | {SERVED: value}, stdout=subprocess.PIPE) for value in (own, others)
    ]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline()
        end_left()
        assert not psutil.pid_exists(processes[0].pid) and psutil.pid_exists(processes[1].pid)
        assert f"serve: ends what one that was killed has left: {processes[0].pid} (" in capfd.readouterr().err
        end_left()
        assert capfd.readouterr().err == ""
        with (
            subprocess.Popen(hang, env=os.environ | {SERVED: mark()}, stdout=subprocess.PIPE) as served,
            pytest.raises(StateError, match=rf"served already .process {os.getpid()}.; end that first"),
        ):
            try:
                assert served.stdout is not None and served.stdout.readline()
                end_left()
            finally:
                served.kill()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
