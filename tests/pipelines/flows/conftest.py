"""A server of Prefect that the tests of flows share: `bin/pixelproof serve` in a copy of the tiny pipeline."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.pipelines.conftest import sh


class Served:
    """A running `bin/pixelproof serve`, and what its server recorded."""

    def __init__(self, repo: Path, process: psutil.Popen, api: str) -> None:
        self.repo, self.process, self.api = repo, process, api
        user, password = (repo / ".pixelproof/prefect/auth").read_text().strip().split(":")
        self.login = (user, password)
        client = {"client": "tests"}
        token = httpx.get(f"{api}/csrf-token", params=client, auth=self.login, timeout=60, trust_env=False).json()
        self.headers = {"Prefect-Csrf-Client": client["client"], "Prefect-Csrf-Token": token["token"]}
        self.scheduled_run: dict[str, Any] = {}

    def ask(self, what: str, **query: Any) -> list[dict[str, Any]]:
        """The server's records of one kind that match a query."""
        return list(self.send("POST", f"{what}/filter", query).json())

    def send(self, method: str, what: str, body: dict[str, Any]) -> httpx.Response:
        """The server's response; like Prefect's own client, this retries while the database is locked (503)."""
        for _ in range(60):
            answer = httpx.request(
                method,
                f"{self.api}/{what}",
                json=body,
                auth=self.login,
                headers=self.headers,
                timeout=60,
                trust_env=False,
            )
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer

    def task_runs(self, flow_run: str) -> dict[str, dict[str, Any]]:
        """The task runs of a flow run by name, once the server has recorded how each ended."""
        for _ in range(100):
            runs = self.ask("task_runs", flow_runs={"id": {"any_": [flow_run]}})
            ended = [
                run for run in runs if run["state_type"] in ("COMPLETED", "FAILED") or run["state_name"] == "NotReady"
            ]
            if runs and len(ended) == len(runs):
                break
            time.sleep(0.2)
        return {run["name"]: run for run in runs}

    def artifacts(self, flow_run: str) -> list[dict[str, Any]]:
        """The artifacts of a flow run."""
        return self.ask("artifacts", artifacts={"flow_run_id": {"any_": [flow_run]}})

    def wait_for_scheduled_run(self, seconds: float) -> None:
        """Wait until a run started by the schedule has ended; then pause the schedule."""
        deadline = time.monotonic() + seconds
        while not self.scheduled_run:
            assert self.process.poll() is None, "serve ended"
            assert time.monotonic() < deadline, f"no scheduled run finished in {seconds} s"
            time.sleep(0.5)
            ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}
            self.scheduled_run = next(iter(self.ask("flow_runs", flow_runs=ended)), {})
        self.send("PATCH", f"deployments/{self.deployment()}", {"paused": True})

    def deployment(self) -> str:
        """The id of the one that prefect.yaml describes."""
        (deployment,) = self.ask("deployments", deployments={"name": {"any_": ["reproduce"]}})
        return str(deployment["id"])

    def start_a_run_that_hangs(self) -> psutil.Process:
        """Start a run on demand whose first stage never ends; returns the process of that stage."""
        pid = self.repo / "control/pid"
        (self.repo / "control").mkdir(exist_ok=True)
        (self.repo / "control/cvat").write_text(
            f"import os\nopen({str(pid)!r}, 'w').write(f'{{os.getpid()}} ')\ntime.sleep(600)"
        )
        (self.repo / "examples/export.xml").write_text(f"<changed at='{time.time_ns()}'/>")
        self.send("POST", f"deployments/{self.deployment()}/create_flow_run", {})
        for _ in range(1200):
            if pid.exists() and pid.read_text().endswith(" "):
                return psutil.Process(int(pid.read_text()))
            time.sleep(0.1)
        raise AssertionError("the run on demand did not start")


@contextmanager
def serving(reproduced: Path, repo: Path, schedule: dict[str, Any], seconds: float) -> Iterator[Served]:
    """`serve` in a copy of the pipeline, with another schedule; at the end, Ctrl-C is sent in the middle of a run."""
    shutil.copytree(reproduced, repo, symlinks=True)
    deployments = yaml.safe_load((repo / "prefect.yaml").read_text())
    deployments["deployments"][0]["schedules"] = [schedule]
    (repo / "prefect.yaml").write_text(yaml.safe_dump(deployments))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = Served(repo, start(repo, port), f"http://127.0.0.1:{port}/api")
    try:
        served.wait_for_scheduled_run(seconds)
        yield served
        family = [served.start_a_run_that_hangs(), *served.process.children(recursive=True)]
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(60) == 0
        _, left = psutil.wait_procs(family, timeout=20)
        assert not left, "Ctrl-C ends everything that was started"
        sh("dvc", "status", "cvat", cwd=repo)
    finally:
        if served.process.is_running():
            served.process.send_signal(signal.SIGINT)
            served.process.wait(60)


def start(repo: Path, port: int) -> psutil.Popen:
    """Start `serve`, and wait until it works."""
    environment = os.environ | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    command = [sys.executable, "-m", "commands", "serve", "--port", str(port)]
    process = psutil.Popen(command, cwd=repo, env=environment, stdout=subprocess.PIPE, text=True)
    assert "Ctrl-C ends it" in process.stdout.readline()
    return process


def restarted(served: Served) -> None:
    """Start `serve` again where it was."""
    served.process = start(served.repo, int(served.api.removesuffix("/api").rpartition(":")[2]))


@pytest.fixture(scope="package")  # no longer: its worker asks for runs each second, beside all other tests
def served(reproduced: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that has finished a scheduled run; all tests share it, because starting one takes long."""
    with serving(reproduced, tmp_path_factory.mktemp("served") / "repo", {"interval": 5}, seconds=240) as served:
        yield served
