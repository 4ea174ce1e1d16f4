"""`reproduce --on`: the graph on another machine, through a real server of Prefect and a real worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipelines.machines.entries import read_entries
from tests.pipelines.conftest import sh
from tests.pipelines.flows.conftest import Served
from tests.pipelines.machines.two import Machines

POOL = "machines"


def server(served: Served) -> dict[str, str]:
    """The environment in which Prefect's server is that of the tests."""
    return os.environ | {"PREFECT_API_URL": served.api, "PREFECT_API_AUTH_STRING": ":".join(served.login)}


@contextmanager
def working(clone: Path, served: Served, pool: str) -> Iterator[psutil.Popen]:
    """A machine at work for a pool."""
    path = clone.parent / f"{clone.name}.log"
    command = [sys.executable, "-m", "commands", "work", pool, "--limit", "2"]
    with path.open("wb") as log:
        process = psutil.Popen(command, cwd=clone, env=server(served), stdout=log, stderr=subprocess.STDOUT)
    while "started!" not in path.read_text():
        assert process.poll() is None, path.read_text()
        time.sleep(0.1)
    yield process
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (0, -signal.SIGKILL), path.read_text()


@pytest.fixture
def worker(machines: Machines, served: Served) -> Iterator[psutil.Popen]:
    """The second machine, at work."""
    with working(machines.works, served, POOL) as process:
        yield process


def reproduce_on(machines: Machines, served: Served) -> subprocess.CompletedProcess[str]:
    """The command, where runs are asked for."""
    command = [sys.executable, "-m", "commands", "reproduce", "--on", POOL]
    return subprocess.run(command, cwd=machines.asks, env=server(served), capture_output=True, text=True)


def test_the_lock_is_that_of_one_machine(
    machines: Machines, worker: psutil.Popen, served: Served, tmp_path: Path
) -> None:
    machines.change("params.yaml", "seed: 0", "seed: 1")
    done = reproduce_on(machines, served)
    assert "5 ran, 0 restored, 1 skipped" in done.stderr, done.stderr + (tmp_path / "works.log").read_text()
    assert sorted(machines.ran()) == ["download", "prepare", "report", "train-fcn", "train-unet"]
    assert (machines.asks / "dvc.lock").read_text() == machines.serial(tmp_path)


def test_a_stage_that_fails_says_why_and_runs_again_once_it_is_mended(
    machines: Machines, worker: psutil.Popen, served: Served, tmp_path: Path
) -> None:
    broken = "if name == 'train-fcn':\n    sys.exit('boom')\nfor out in outs:"
    machines.change("code/stage.py", "for out in outs:", broken)
    done = reproduce_on(machines, served)
    assert done.returncode == 2
    assert "boom" in done.stderr and "error: failed: train@fcn; not run: report" in done.stderr
    assert "train@fcn" in read_entries(machines.asks), "the entry of the last good run stays"
    machines.change("code/stage.py", broken, "for out in outs:")
    assert reproduce_on(machines, served).returncode == 0
    assert (machines.asks / "dvc.lock").read_text() == machines.serial(tmp_path)


@pytest.mark.slow
def test_a_machine_that_is_lost_is_replaced(machines: Machines, served: Served, tmp_path: Path) -> None:
    """All processes of the first are killed while its stage runs; the second ends it, and nothing is typed."""
    here = f"name == 'download' and '{machines.works}/' in str(pathlib.Path.cwd())"
    hangs = f"if {here}:\n    time.sleep(600)\nfor out in outs:"
    machines.change("code/stage.py", "for out in outs:", hangs)
    sh("git", "clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / "other"), cwd=tmp_path)
    command = [sys.executable, "-m", "commands", "reproduce", "--on", "lost", "download"]
    with working(machines.works, served, "lost") as first:
        asks = subprocess.Popen(command, cwd=machines.asks, env=server(served), stderr=subprocess.PIPE, text=True)
        while "download" not in machines.ran():
            assert asks.poll() is None
            time.sleep(0.2)
        for process in [first, *first.children(recursive=True)]:
            process.kill()
    with working(tmp_path / "other", served, "lost"):
        _, said = asks.communicate(timeout=300)
    assert asks.returncode == 0 and "no sign of life" in said and "1 ran, 0 restored, 0 skipped" in said


def test_a_clone_may_be_served_and_work_at_once(served: Served) -> None:
    """As its own `serve` tells it, without a word about a server in the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    command = [sys.executable, "-m", "commands", "work", "both"]
    process = psutil.Popen(command, cwd=served.repo, env=environment, stdout=subprocess.PIPE, text=True)
    assert "started!" in process.stdout.readline()
    second = subprocess.run(
        [sys.executable, "-m", "commands", "serve"], cwd=served.repo, capture_output=True, text=True, check=False
    )
    assert f"served already (process {served.process.pid})" in second.stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
