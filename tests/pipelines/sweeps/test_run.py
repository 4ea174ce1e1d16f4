"""Sweeps of the tiny pipeline: real DVC, real git, a real SIGKILL."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipelines.place import MARK
from tests.pipelines.conftest import commit, python, runs, sh
from tests.pipelines.sweeps.conftest import ends, experiments


def test_points_become_experiments_and_common_stages_run_once(sweeping: Path) -> None:
    done = python("sweep", "experiments/rate.yaml", "--jobs", "2", "--out", "page", cwd=sweeping)
    assert done.returncode == 0, done.stderr
    names = ["rate-lr=0.2", "rate-lr=0.3", "rate-lr=0.4"]
    assert experiments(sweeping) == names
    assert ends(sweeping) == {
        "download": 1,
        "cvat": 1,
        "prepare": 1,
        "train-unet": 3,
        "train-fcn": 3,
        "report": 3,
    }
    assert sh("git", "status", "--porcelain", cwd=sweeping).stdout.split() == ["??", "page/"]
    assert sh("git", "worktree", "list", cwd=sweeping).stdout.count("\n") == 1
    shown = json.loads(sh("dvc", "exp", "show", "--json", cwd=sweeping).stdout)
    rates = {
        one["name"]: one["data"]["params"]["params.yaml"]["data"]["train"]["lr"]
        for each in shown[1]["experiments"]
        for one in each["revs"]
    }
    assert rates == dict(zip(names, (0.2, 0.3, 0.4), strict=True))
    rows = list(csv.DictReader((sweeping / "page/sweep.csv").open()))
    assert {(row["point"], row["train.lr"], row["architecture"], row["test.mIoU"]) for row in rows} == {
        (f"lr={rate}", rate, arch, "0.500000") for rate in ("0.2", "0.3", "0.4") for arch in ("unet", "fcn")
    }
    page = (sweeping / "page/index.html").read_text()
    assert "Content-Security-Policy" in page and "<script" not in page and "lr=0.3: fcn" in page

    again = python("sweep", "rate", cwd=sweeping)
    assert again.returncode == 0 and "3 of 3 points were done before" in again.stderr
    assert sum(ends(sweeping).values()) == 12, "nothing ran again"


def test_a_killed_sweep_goes_on_and_nothing_is_left_at_work(sweeping: Path) -> None:
    (sweeping / "control/train-fcn").write_text("time.sleep(600)")
    command = [sys.executable, "-m", "commands", "sweep", "rate", "--jobs", "2"]
    process = subprocess.Popen(command, cwd=sweeping, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 120
    while (runs(sweeping).count("train-fcn")) < 2:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (sweeping / "control/train-fcn").unlink()
    while left := at_work(sweeping):
        assert time.monotonic() < until, f"still at work: {left}"
        time.sleep(0.1)
    before = ends(sweeping)
    assert before["prepare"] == 1 and before["train-fcn"] == 0

    done = python("sweep", "rate", "--jobs", "2", cwd=sweeping)
    assert done.returncode == 0, done.stderr
    assert experiments(sweeping) == ["rate-lr=0.2", "rate-lr=0.3", "rate-lr=0.4"]
    assert ends(sweeping)["train-unet"] == 3, "a stage that had ended does not run again"
    assert ends(sweeping)["train-fcn"] == 3 and ends(sweeping)["prepare"] == 1


@pytest.mark.parametrize(("depth", "why"), [(0, "its process"), (1, "ERROR: DVC")])
def test_a_killed_point_says_so_and_leaves_nothing_at_work(sweeping: Path, depth: int, why: str) -> None:
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lr: [0.2]}\n")
    commit(sweeping)
    (sweeping / "control/train-fcn").write_text("time.sleep(600)")
    command = [sys.executable, "-m", "commands", "sweep", "rate"]
    process = subprocess.Popen(command, cwd=sweeping, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while "train-fcn" not in runs(sweeping):
        assert process.poll() is None
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)  # the attempt, DVC, the stage
    family[depth].kill()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2 and f"lr=0.2: failed: {why} was ended by SIGKILL" in said
    assert at_work(sweeping) == []


def at_work(repo: Path) -> list[list[str]]:
    """The processes that bear a point's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(repo)):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def test_what_a_kill_left_half_written_is_mended(sweeping: Path) -> None:
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lr: [0.2, 0.3]}\n")
    commit(sweeping)
    (sweeping / "control/train-fcn").write_text("sys.exit('as the test wants')")
    failed = python("sweep", "rate", cwd=sweeping)
    assert failed.returncode == 2 and "2 failed" in failed.stdout and experiments(sweeping) == []
    assert "failed" in failed.stdout and "points/lr=0.2/log" in failed.stdout
    point = sweeping / ".pixelproof/sweeps/rate/points/lr=0.2/tree"
    (point / "dvc.lock").write_text("schema: '2.0'\nstages:\n  download:\n    cmd: pyth")
    (point / "params.yaml").write_text("seed: 0\narchi")
    (point / ".dvc/tmp/rwlock").write_text("{")
    (sweeping / ".pixelproof/sweeps/rate/points/lr=0.3/ready").unlink()  # killed while the worktree was made
    (sweeping / "control/train-fcn").unlink()
    done = python("sweep", "rate", cwd=sweeping)
    assert done.returncode == 0, done.stderr
    assert len(experiments(sweeping)) == 2
    assert ends(sweeping)["train-unet"] == 2, "what had run came back from DVC's cache"


def test_what_no_experiment_would_have_is_refused(sweeping: Path) -> None:
    (sweeping / "examples/new.xml").write_text("<annotations/>")
    refused = python("sweep", "rate", cwd=sweeping)
    assert refused.returncode == 2 and "examples/new.xml: DVC hashes it but git does not track it" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    (sweeping / "examples/new.xml").unlink()
    with (sweeping / "code/stage.py").open("a") as file:
        file.write("\n")
    refused = python("sweep", "rate", cwd=sweeping)
    assert refused.returncode == 2 and "code/stage.py: not as in HEAD" in refused.stderr
    sh("git", "checkout", "-q", "code", cwd=sweeping)
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lrr: [1]}\n")
    refused = python("sweep", "rate", cwd=sweeping)
    assert refused.returncode == 2 and "point lrr=1: params.yaml: train.lrr" in refused.stderr
    assert runs(sweeping) == [] and experiments(sweeping) == []


def test_points_have_the_data_of_dvc_files(sweeping: Path) -> None:
    (sweeping / "extra").mkdir()
    (sweeping / "extra/x").write_text("labels\n")
    sh("dvc", "add", "-q", "extra", cwd=sweeping)
    graph = (sweeping / "dvc.yaml").read_text()
    (sweeping / "dvc.yaml").write_text(graph.replace("data/prepared/train]", "data/prepared/train, extra]"))
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lr: [0.2, 0.3]}\n")
    commit(sweeping)
    (sweeping / "control/train-unet").write_text("assert pathlib.Path('extra/x').read_text() == 'labels\\n'")
    done = python("sweep", "rate", "--jobs", "2", cwd=sweeping)
    assert done.returncode == 0, done.stderr
    assert "first what all points share: download, cvat, prepare" in done.stderr
    assert ends(sweeping)["prepare"] == 1 and ends(sweeping)["train-unet"] == 2
    assert experiments(sweeping) == ["rate-lr=0.2", "rate-lr=0.3"]
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lr: [0.4]}\n")
    (sweeping / "extra/x").unlink()
    (sweeping / "extra/x").write_text("others\n")
    refused = python("sweep", "rate", cwd=sweeping)
    assert refused.returncode == 2 and "extra.dvc: the data is not what this file says" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lr: [0.2, 0.3]}\n")
    refused = python("sweep", "apply", "rate", "lr=0.3", cwd=sweeping)
    assert refused.returncode == 2 and "extra: has edits that would be lost" in refused.stderr
    assert (sweeping / "extra/x").read_text() == "others\n"
    sh("dvc", "checkout", "-q", "--force", "extra.dvc", cwd=sweeping)
    applied = python("sweep", "apply", "rate", "lr=0.3", cwd=sweeping)
    assert applied.returncode == 0, applied.stderr


def test_one_run_of_a_sweep_at_a_time(sweeping: Path) -> None:
    (sweeping / "control/download").write_text("time.sleep(600)")
    command = [sys.executable, "-m", "commands", "sweep", "rate"]
    process = subprocess.Popen(command, cwd=sweeping, stderr=subprocess.PIPE, text=True)
    try:
        while "download" not in runs(sweeping):
            assert process.poll() is None
            time.sleep(0.1)
        refused = python("sweep", "rate", cwd=sweeping)
        assert refused.returncode == 2 and "runs already in this clone" in refused.stderr
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) != 0
    assert at_work(sweeping) == []


def test_the_winner_becomes_the_working_tree_and_edits_are_not_lost(sweeping: Path) -> None:
    (sweeping / "experiments/rate.yaml").write_text("grid: {train.lr: [0.2, 0.3]}\n")
    commit(sweeping)
    refused = python("sweep", "apply", "rate", "lr=0.3", cwd=sweeping)
    assert refused.returncode == 2 and "not done on" in refused.stderr
    assert python("sweep", "rate", "--jobs", "2", cwd=sweeping).returncode == 0
    for rate in ("0.3", "0.2"):  # one after the other
        applied = python("sweep", "apply", "rate", f"lr={rate}", cwd=sweeping)
        assert applied.returncode == 0, applied.stderr
        assert f"lr: {rate}" in (sweeping / "params.yaml").read_text()
        assert rate in (sweeping / "models/unet/out.txt").read_text()
        assert "up to date" in sh("dvc", "status", cwd=sweeping).stdout
    text = (sweeping / "params.yaml").read_text() + "# mine\n"
    (sweeping / "params.yaml").write_text(text)
    refused = python("sweep", "apply", "rate", "lr=0.3", cwd=sweeping)
    assert refused.returncode == 2 and "params.yaml: has edits that would be lost" in refused.stderr
    assert (sweeping / "params.yaml").read_text() == text
    sh("git", "checkout", "params.yaml", cwd=sweeping)
    for name, staged in (("code/stage.py", False), ("notes.txt", True)):  # no point changes them; DVC resets both
        before = (sweeping / name).read_text() if (sweeping / name).is_file() else None
        (sweeping / name).write_text("# mine\n")
        if staged:
            sh("git", "add", name, cwd=sweeping)
        refused = python("sweep", "apply", "rate", "lr=0.3", cwd=sweeping)
        assert refused.returncode == 2 and f"{name}: has edits that would be lost" in refused.stderr
        assert (sweeping / name).read_text() == "# mine\n"
        if before is not None:
            (sweeping / name).write_text(before)
    sh("git", "reset", "-q", "notes.txt", cwd=sweeping)
    (sweeping / "models/unet/notes.txt").write_text("mine\n")
    refused = python("sweep", "apply", "rate", "lr=0.3", cwd=sweeping)
    assert refused.returncode == 2 and "models/unet: has edits that would be lost" in refused.stderr
    assert (sweeping / "models/unet/notes.txt").read_text() == "mine\n"
    unknown = python("sweep", "apply", "rate", "lr=9", cwd=sweeping)
    assert unknown.returncode == 2 and "points: lr=0.2, lr=0.3" in unknown.stderr


def test_a_point_is_applied_whatever_has_become_of_the_others(sweeping: Path) -> None:
    file = sweeping / "experiments/rate.yaml"
    file.write_text("points: {low: {train.lr: 0.2}, high: {train.lr: 0.4}}\n")
    commit(sweeping)
    assert python("sweep", "rate", "--jobs", "2", cwd=sweeping).returncode == 0
    assert python("sweep", "apply", "rate", "high", cwd=sweeping).returncode == 0
    changed = "points: {low: {train.lr: 0.2}, high: {train.lr: 0.5}, new: {train.lr: 0.6}}\n"
    file.write_text(changed)
    applied = python("sweep", "apply", "rate", "low", cwd=sweeping)  # what stands here is what `high` was
    assert applied.returncode == 0, applied.stderr
    assert "lr: 0.2" in (sweeping / "params.yaml").read_text() and file.read_text() == changed
    refused = python("sweep", "apply", "rate", "high", cwd=sweeping)
    assert refused.returncode == 2 and "experiment rate-high" in refused.stderr and "settings" in refused.stderr
    file.write_text(f"set: {{seed: 1}}\n{changed}")
    refused = python("sweep", "apply", "rate", "low", cwd=sweeping)
    assert refused.returncode == 2 and "experiment rate-low" in refused.stderr and "settings" in refused.stderr
    assert "lr: 0.2" in (sweeping / "params.yaml").read_text()


def test_a_name_with_other_settings_is_refused(sweeping: Path) -> None:
    (sweeping / "experiments/rate.yaml").write_text("points: {low: {train.lr: 0.2}}\n")
    commit(sweeping)
    assert python("sweep", "rate", cwd=sweeping).returncode == 0
    (sweeping / "experiments/rate.yaml").write_text("points: {low: {train.lr: 0.1}}\n")
    refused = python("sweep", "rate", cwd=sweeping)
    assert refused.returncode == 2 and "experiment rate-low" in refused.stderr and "other settings" in refused.stderr
