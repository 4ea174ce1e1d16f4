"""DVC's rwlock after a kill, with real DVC: left unreadable, it stops DVC for ever; our commands remove it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.pipelines.conftest import ROOT, sh

RWLOCK = Path(".dvc/tmp/rwlock")


def front_door(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "commands", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("left", ["", '{"read": {"', '{"write": []}'])
def test_what_a_kill_left_is_removed_and_dvc_works_again(repo: Path, left: str) -> None:
    shutil.rmtree(repo / "models/unet")
    (repo / RWLOCK).write_text(left)
    refused = subprocess.run([sys.executable, "-m", "dvc", "repro"], capture_output=True, text=True, check=False)
    assert refused.returncode and "RWLock-file" in refused.stderr, "this DVC repairs it itself"
    done = front_door("gc")
    assert done.returncode == 0, done.stderr
    assert ".dvc/tmp/rwlock: removed" in done.stderr + done.stdout
    sh("dvc", "repro", cwd=repo)
    assert (repo / "models/unet").exists()


def test_what_no_parser_can_hold_is_removed_too(repo: Path) -> None:
    (repo / RWLOCK).write_text("[" * 100_000)
    done = front_door("gc")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1) and ".dvc/tmp/rwlock: removed" in done.stderr


@pytest.mark.parametrize("command", ["gc", "verify workspace"])
@pytest.mark.parametrize("path", [".dvc/tmp/rwlock", ".dvc/tmp/lock", ".dvc/tmp"])
def test_what_cannot_be_read_at_all_is_one_line(repo: Path, path: str, command: str) -> None:
    place = repo / path
    if path == ".dvc/tmp":
        shutil.rmtree(place)
        place.touch()
    else:
        place.unlink(missing_ok=True)
        place.mkdir()
    done = front_door(*command.split())
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and path in done.stderr


def test_what_a_running_dvc_needs_stays(repo: Path) -> None:
    pid = repo / "control/pid"
    pid.parent.mkdir(exist_ok=True)
    (repo / "control/cvat").write_text(
        f"import os\nopen({str(pid)!r}, 'w').write(f'{{os.getpid()}} ')\ntime.sleep(600)"
    )
    (repo / "examples/export.xml").write_text("<changed/>")
    run = psutil.Popen(["dvc", "repro", "cvat"], cwd=repo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if pid.exists():
                break
            time.sleep(0.1)
        (repo / RWLOCK).write_text("")
        done = front_door("gc")
        assert (done.returncode, (repo / RWLOCK).exists()) == (2, True)
        assert f"DVC is at work here (process {run.pid})" in done.stderr
        done = sh("bin/python", "-m", "dvc", "status", cwd=repo, check=False)
        assert (done.returncode, done.stderr.count("\n"), (repo / RWLOCK).exists()) == (2, 1, True)
        assert f"DVC is at work here (process {run.pid})" in done.stderr
    finally:
        for process in [*run.children(recursive=True), run]:
            process.kill()
        run.wait()


@pytest.mark.parametrize("chosen", [False, True])
@pytest.mark.parametrize("left", ["", '{"read": {"', "read", '{"/a": {"write": {"pid": 99999, "cmd": "x"}}'])
def test_bin_python_removes_it_before_dvc_runs(
    repo: Path, left: str, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chosen:
        monkeypatch.setenv("PIXELPROOF_PYTHON", sys.executable)
    (repo / RWLOCK).write_text(left)
    done = sh("../bin/python", "-m", "dvc", "status", "--json", cwd=repo / "examples")
    assert (done.stdout, done.stderr.count("\n")) == ("{}\n", 1) and ".dvc/tmp/rwlock: removed" in done.stderr


def test_dvc_of_an_activated_environment_removes_it_too(repo: Path, tmp_path: Path) -> None:
    """As bin/setup puts it there; in a folder that belongs to no clone it is DVC as ever."""
    door = tmp_path / "environment/bin/dvc"
    door.parent.mkdir(parents=True)
    shutil.copy(ROOT / "bin/dvc", door)
    python = door.parent / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (repo / RWLOCK).write_text("")
    done = sh(str(door), "status", "--json", cwd=repo / "examples")
    assert (done.stdout, done.stderr.count("\n")) == ("{}\n", 1) and ".dvc/tmp/rwlock: removed" in done.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert sh(str(door), "version", cwd=elsewhere).stdout.startswith("DVC version: ")


def test_bin_python_looks_no_closer_at_a_good_one_or_for_other_programs(repo: Path) -> None:
    (repo / "pipelines/dvc/heal.py").write_text("raise SystemExit('looked')")
    sh("bin/python", "-m", "dvc", "status", cwd=repo)
    assert isinstance(json.loads((repo / RWLOCK).read_text()), dict)
    sh("bin/python", "-m", "dvc", "status", cwd=repo)
    (repo / RWLOCK).write_text("")
    sh("bin/python", "-c", "", cwd=repo)
    refused = sh("bin/python", "-m", "dvc", "status", cwd=repo, check=False)
    assert refused.returncode and refused.stderr == "looked\n"


def test_a_readable_one_is_left_alone(repo: Path) -> None:
    sh("dvc", "status", cwd=repo)
    before = (repo / RWLOCK).read_text()
    assert front_door("gc").returncode == 0
    assert (repo / RWLOCK).read_text() == before
