"""What a stage's process leaves of its time: of whole runs that DVC started, and never at the price of the stage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelproof.core.machine import machine
from pixelproof.core.times import FOLDER, StageTime, last, note, resumed

ROOT = Path(__file__).parents[3]
SLEEPS = "import time; time.sleep(0.3)"


@pytest.fixture(autouse=True)
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text("stages: {train: {cmd: x, params: [seed, train.iterations]}}")
    Path("params.yaml").write_text("{seed: 0, train: {iterations: 900, lr: 0.1}}")
    return tmp_path


def stage(body: str, name: str = "train@unet-0", **environ: str) -> int:
    """The exit code of a process whose main does this."""
    lines = "\n    ".join(body.split("; "))
    program = f"from pixelproof.core import stage, times\ndef main():\n    {lines}\nstage.run_stage(main)"
    env = os.environ | {"PYTHONPATH": str(ROOT)} | ({"DVC_STAGE": name} if name else {}) | environ
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=False).returncode


def test_a_whole_run_is_timed_with_its_params_and_machine() -> None:
    assert stage(SLEEPS) == 0
    taken = last("train@unet-0")
    assert taken is not None
    assert 0.3 <= taken.seconds < 20
    assert (taken.machine, taken.params) == (machine(), {"seed": 0, "train": {"iterations": 900}})
    assert last("train@segnet-0") is None
    assert [path.name for path in FOLDER.iterdir()] == ["train@unet-0.json"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise SystemExit(143)", 143),
        ("from pixelproof.core.errors import StateError; raise StateError('a', 'b', 'c')", 2),
        ("raise ZeroDivisionError", 1),
    ],
)
def test_a_run_that_failed_is_not_timed(body: str, code: int) -> None:
    assert stage(body) == code
    assert last("train@unet-0") is None


@pytest.mark.parametrize("environ", [{"name": ""}, {"RANK": "0"}])
def test_neither_is_one_that_dvc_did_not_start_or_that_has_a_parent(environ: dict[str, str]) -> None:
    assert stage(SLEEPS, **environ) == 0
    assert not FOLDER.exists()


def test_a_resumed_run_leaves_the_last_whole_one() -> None:
    note("train@unet-0", StageTime(100, "m", {}))
    assert stage("times.resumed()") == 0
    assert last("train@unet-0") == StageTime(100, "m", {})
    assert stage("times.resumed(); raise SystemExit(143)") == 143
    assert stage("pass") == 0  # trained from its beginning
    taken = last("train@unet-0")
    assert taken is not None
    assert taken.seconds < 20


def test_one_of_several_processes_tells_their_parent_that_it_resumed() -> None:
    child = "import os, subprocess, sys; env = os.environ | {'RANK': '0'}; "
    inner = "'from pixelproof.core import stage, times\\nstage.run_stage(times.resumed)'"
    assert stage(f"{child}subprocess.run([sys.executable, '-c', {inner}], env=env, check=True)") == 0
    assert last("train@unet-0") is None


@pytest.mark.parametrize("missing", ["dvc.yaml", "params.yaml", ".pixelproof"])
def test_what_keeps_a_time_from_being_noted_fails_no_stage(missing: str) -> None:
    if missing == ".pixelproof":
        Path(missing).touch()  # a file, where the folder should be
    else:
        Path(missing).unlink()
    assert stage("times.resumed()") == 0
    assert stage("open('written', 'w').close()") == 0
    assert Path("written").exists()


def test_a_stage_is_known_by_its_name_wherever_dvc_was_typed() -> None:
    assert stage("pass", "../dvc.yaml:train@unet-0") == 0
    assert last("train@unet-0") is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seconds": "long", "machine": "m", "params": {}}', "\xff"])
def test_a_damaged_note_is_none(text: str) -> None:
    note("cvat", StageTime(1, "m", {}))
    (FOLDER / "cvat.json").write_bytes(text.encode("latin-1"))
    assert last("cvat") is None


def test_outside_of_dvc_nothing_is_marked() -> None:
    resumed({})
    assert not FOLDER.exists()
    resumed({"DVC_STAGE": "cvat"})
    note("cvat", StageTime(1, "m", {}))
    assert not list(FOLDER.glob("*.json"))
    note("cvat", StageTime(1, "m", {}))
    assert json.loads((FOLDER / "cvat.json").read_text()) == {"seconds": 1, "machine": "m", "params": {}}
