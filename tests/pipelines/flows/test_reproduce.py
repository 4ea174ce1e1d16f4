"""`reproduce` with the real DVC and a real server: what runs, beside what, what is skipped, what a failure stops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.forked import programs
from tests.pipelines.conftest import python, runs, sh
from tests.pipelines.flows.conftest import Served

STAGES = ["download", "cvat", "prepare", "train@unet", "train@fcn", "report"]


@dataclass
class Run:
    """One run of the flow: its final message, and what the server recorded of its tasks."""

    message: str
    id: str
    served: Served

    @cached_property
    def tasks(self) -> dict[str, dict[str, Any]]:
        return self.served.task_runs(self.id)

    @property
    def states(self) -> dict[str, str]:
        return {name: task["state_name"] for name, task in self.tasks.items()}


@pytest.fixture
def reproduce(repo: Path, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the flow here, on the server of the session; its many short runs of DVC are forked."""
    monkeypatch.setattr(sys, "executable", str(programs(tmp_path / "programs")))
    # Prefect's services end with the process. In a child that a later test forks this fails, and the child with it.
    monkeypatch.setattr(threading, "_register_atexit", lambda *_, **__: None)
    monkeypatch.setenv("PREFECT_API_URL", served.api)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", ":".join(served.login))
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    from pipelines.flows.reproduce import reproduce

    def run(**parameters: Any) -> Run:
        with temporary_settings({PREFECT_API_URL: served.api, PREFECT_API_AUTH_STRING: ":".join(served.login)}):
            state = reproduce(return_state=True, **parameters)
        return Run(str(state.message), str(state.state_details.flow_run_id), served)

    return run


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def control(name: str, program: str) -> None:
    """What a stage does before it writes its output."""
    Path("control").mkdir(exist_ok=True)
    Path("control", name).write_text(program)


def test_without_a_server_the_command_runs_what_changed_and_streams_it(repo: Path) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    done = sh(sys.executable, "-m", "commands", "reproduce", "--jobs", "2", cwd=repo)
    assert "5 ran, 0 restored, 1 skipped" in done.stderr.splitlines()
    assert "Task run 'download' - hello from download" in done.stderr
    ran = runs(repo)
    assert ran[:2] == ["download", "prepare"]
    assert sorted(ran[2:4]) == ["train-fcn", "train-unet"]
    assert ran[4:] == ["report"]
    assert sh("dvc", "status", cwd=repo).stdout == "Data and pipelines are up to date.\n"


def test_prefect_is_not_started_for_nothing(repo: Path) -> None:
    """It would take seconds, and make its home; runs on a server, which others look at, are there all the same."""
    done = python("reproduce", cwd=repo)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 ran, 0 restored, 6 skipped\n")
    assert not (repo / ".pixelproof/prefect").exists() and runs(repo) == []
    edit("params.yaml", "lr: 0.1", "lr: 0.2")
    done = python("reproduce", "prepare", cwd=repo)
    assert done.stderr == "0 ran, 0 restored, 3 skipped\n"


def test_nothing_to_do_is_skipped_and_said(reproduce: Any, repo: Path, served: Served) -> None:
    run = reproduce()
    assert run.states == dict.fromkeys(STAGES, "Skipped")
    assert run.message == "0 ran, 0 restored, 6 skipped"
    assert runs(repo) == []
    (table,) = served.artifacts(run.id)
    assert table["type"] == "table"
    assert '"architecture": "unet", "test.mIoU": 0.5' in table["data"]


def test_a_stage_whose_input_comes_out_the_same_is_asked_again_and_skipped(
    reproduce: Any, repo: Path, served: Served
) -> None:
    edit("examples/export.xml", "<annotations/>", "<annotations></annotations>")
    run = reproduce()
    assert run.states == dict.fromkeys(STAGES, "Skipped") | {"cvat": "Completed"}
    assert runs(repo) == ["cvat"]
    pages = {artifact["key"]: artifact for artifact in served.artifacts(run.id)}
    assert pages["comparison"]["type"] == "markdown" and "examples" in pages["comparison"]["data"]


def test_what_dvc_has_in_its_cache_is_restored_and_its_readers_looked_at_again(reproduce: Any, repo: Path) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    sh("dvc", "repro", cwd=repo)
    Path("runs.log").unlink()
    edit("params.yaml", "seed: 1", "seed: 0")
    run = reproduce()
    restored = {name for name, state in run.states.items() if state == "Restored"}
    assert restored == {"download", "prepare", "train@unet", "train@fcn"}
    assert set(runs(repo)) <= {"report"}
    assert sh("dvc", "status", cwd=repo).stdout == "Data and pipelines are up to date.\n"


def test_targets_run_only_what_they_need(reproduce: Any, repo: Path) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    run = reproduce(targets=["train@fcn"])
    assert set(run.states) == {"download", "cvat", "prepare", "train@fcn"}
    assert runs(repo) == ["download", "prepare", "train-fcn"]


def test_a_failed_stage_stops_only_what_depends_on_it(reproduce: Any, repo: Path) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    control("train-unet", "print('\\n'.join(f'line {n}' for n in range(50)))\nsys.exit('out of luck')")
    run = reproduce(jobs=2)
    assert run.message == "failed: train@unet; not run: report"
    assert run.states["train@unet"] == "Failed"
    assert run.states["train@fcn"] == "Completed"
    assert run.states["report"] == "NotReady"
    error = run.tasks["train@unet"]["state"]["message"]
    assert "line 49" in error and "out of luck" in error and "line 5\n" not in error
    Path("control/train-unet").unlink()
    assert reproduce().states == dict.fromkeys(STAGES, "Skipped") | {"train@unet": "Completed", "report": "Completed"}


def test_only_a_stage_that_touches_the_network_is_tried_again(reproduce: Any, repo: Path) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    once = (
        "tried = pathlib.Path('control/tried')\nif not tried.exists():\n    tried.touch()\n    sys.exit('no network')"
    )
    control("download", once)
    run = reproduce(targets=["prepare"])
    assert run.states["download"] == "Completed"
    assert runs(repo) == ["download", "download", "prepare"]
    Path("control/tried").unlink()
    edit("params.yaml", "seed: 1", "seed: 2")
    control("prepare", once)
    Path("control/download").unlink()
    assert reproduce(targets=["prepare"]).message == "failed: prepare"


MEET = """
deadline = time.time() + {seconds}
while "start {other}" not in pathlib.Path("runs.log").read_text() and time.time() < deadline:
    time.sleep(0.05)
"""


def overlaps(first: str, second: str) -> bool:
    """Whether one of two stages began before the other had ended."""
    order = [line.split()[1:] for line in Path("runs.log").read_text().splitlines()]
    return [what for what, name in order if name in (first, second)] == ["start", "start", "end", "end"]


def test_independent_stages_run_side_by_side(reproduce: Any, repo: Path) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    edit("examples/export.xml", "<a", "<b")
    control("download", MEET.format(other="cvat", seconds=60))
    control("cvat", MEET.format(other="download", seconds=60))
    assert reproduce(jobs=2, targets=["prepare"]).message == "3 ran, 0 restored, 0 skipped"
    assert overlaps("download", "cvat")


def test_side_by_side_the_lock_is_that_of_a_run_one_by_one(reproduce: Any, repo: Path) -> None:
    """From no lock at all, though the second of two stages ends long before the first."""
    sh("git", "rm", "-q", "dvc.lock", cwd=repo)
    sh("git", "commit", "-qm", "Without it", cwd=repo)
    sh("dvc", "repro", cwd=repo)
    one_by_one = Path("dvc.lock").read_bytes()
    for left in ("dvc.lock", "data", "models", ".dvc/cache"):
        shutil.rmtree(left, ignore_errors=True)
    Path("dvc.lock").unlink()
    control("download", "time.sleep(3)")
    reproduce(jobs=2)
    assert Path("dvc.lock").read_bytes() == one_by_one


def test_one_job_is_one_stage_at_a_time(reproduce: Any, repo: Path) -> None:
    edit("params.yaml", "lr: 0.1", "lr: 0.2")
    control("train-unet", MEET.format(other="train-fcn", seconds=5))
    control("train-fcn", MEET.format(other="train-unet", seconds=5))
    assert reproduce(jobs=1, targets=["train"]).message == "2 ran, 0 restored, 3 skipped"
    assert not overlaps("train-unet", "train-fcn")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_stage_and_no_lock(repo: Path, served: Served, number: signal.Signals) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    control("download", "import os\nopen('control/pid', 'w').write(str(os.getpid()))\ntime.sleep(600)")
    command = [sys.executable, "-m", "commands", "reproduce"]
    environ = os.environ | {"PREFECT_API_URL": served.api, "PREFECT_API_AUTH_STRING": ":".join(served.login)}
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)  # as a job in a shell's background begins
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, preexec_fn=ignore)
    pid = Path("control/pid")
    wait_for(lambda: pid.exists() and pid.read_text() != "", 120)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode not in (0, 1)
    wait_for(lambda: not psutil.pid_exists(int(pid.read_text())), 15)
    Path("control/download").unlink()
    sh("dvc", "repro", "download", cwd=repo)


def wait_for(what: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "error: target 'trian': no such stage; stages: "),
        (["--jobs", "0"], "argument --jobs: expected a whole number above 0, found '0'"),
        (["--jobs", "two"], "argument --jobs: expected a whole number above 0, found 'two'"),
    ],
)
def test_a_bad_argument_is_said_before_prefect_starts(clone: Path, arguments: list[str], said: str) -> None:
    done = python("reproduce", *arguments, cwd=clone)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "prefect" not in done.stderr


def test_retries_of_an_unknown_stage_are_an_error(reproduce: Any) -> None:
    edit("params.yaml", "download: 1", "downlaod: 1")
    assert reproduce().message.startswith("params.yaml: pipelines.retries: found 'downlaod'; allowed: cvat, download")


def test_a_folder_of_dvc_that_cannot_be_written_is_one_line(reproduce: Any, repo: Path) -> None:
    shutil.rmtree(repo / ".dvc/tmp")
    (repo / ".dvc/tmp").write_text("in the way, also for root")
    said = reproduce().message
    assert ".dvc/tmp" in said and said.endswith("; check that this path can be read and written")
