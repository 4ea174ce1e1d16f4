"""What a person reads of a plan, and what a program does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.plan.hours import Estimate
from pipelines.plan.plan import Step
from pipelines.plan.planned import lines_of, show, summary
from pixelproof.core.machine import machine
from pixelproof.core.times import StageTime, note
from tests.pipelines.conftest import python, sh
from tests.pipelines.plan.test_plan import replace


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")  # 80 are taken all the same


def test_a_plan_is_read_in_two_lines_a_stage_and_a_sum(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace("params.yaml", "lr: 0.1", "lr: 0.2")
    for name, seconds in (("train@unet", 130), ("report", 40), ("cvat", 1000)):
        note(name, StageTime(seconds, machine(), {}))
    show([], as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "train@unet  runs      about 2 min",
        "    params changed: train.lr 0.1 -> 0.2",
        "train@fcn   runs      not timed here yet",
        "    params changed: train.lr 0.1 -> 0.2",
        "report      may run   about 40 s",
        "    if train@unet or train@fcn changes its inputs",
        "2 of 6 stages would run, 1 may. As they last took on this machine: about 2 min,",
        "3 min with those that may, and 1 that was not timed here.",
    ]


def test_where_all_is_up_to_date_one_line_says_so(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show([], as_json=False)
    assert capsys.readouterr().out == "None of 6 stages would run.\n"
    show(["train"], as_json=False)
    assert capsys.readouterr().out == "None of 5 stages would run.\n"


def test_in_a_fresh_clone_a_remote_is_named(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(["download"], as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith("How long that takes is unknown: none of them was timed on this machine.")
    assert "remote" not in said
    sh("dvc", "remote", "add", "-d", "store", "/nowhere", cwd=clone)
    show(["download"], as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "`dvc pull` may fetch what is missing from the remote 'store', so that fewer run." in said


def test_programs_get_every_stage(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace("examples/export.xml", "<a", "<b")
    note("cvat", StageTime(3.5, machine(), {}))
    show(["prepare"], as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert [(stage["stage"], stage["action"], stage["seconds"]) for stage in said["stages"]] == [
        ("download", "up to date", None),
        ("cvat", "runs", 3.5),
        ("prepare", "may run", None),
    ]
    assert said["stages"][1]["reasons"] == ["input changed: examples/export.xml"]
    assert said["seconds"] == {"runs": 3.5, "may run": None}, "not timed yet, which is not 0"


def test_long_reasons_are_broken_between_words() -> None:
    step = Step("evaluate@deeplabv3plus-r18-0", "runs", ("code changed: " + "pixelproof/core/errors.py, " * 9,))
    lines = lines_of([step], {step.stage: Estimate(240, "2 min for 900 iterations")}, 80)
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80
    assert "".join(lines[1:]).count("pixelproof/core/errors.py") == 9


def test_the_sum_says_where_dvc_would_stop_and_what_it_restores() -> None:
    steps = [Step("labels.dvc", "stops"), Step("cvat", "restored"), Step("prepare", "up to date")]
    assert summary(steps, {}, None, 120) == [
        "None of 2 stages would run, 1 would be restored. `dvc repro` would stop at labels.dvc."
    ]
    steps += [Step("train", "waits"), Step("report", "waits")]
    assert summary(steps, {}, None, 120)[0].startswith("None of 4 stages would run, 1 would be restored, 2 wait. ")


def test_the_command_ends_well_and_breaks_off_quietly(repo: Path) -> None:
    done = python("plan", cwd=repo)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None of 6 stages would run.\n", "")
    unknown = python("plan", "trian", cwd=repo)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no such stage" in unknown.stderr
    replace("code/stage.py", "hello", "goodbye")
    pipe = subprocess.Popen([sys.executable, "-m", "commands", "plan"], cwd=repo, stdout=-1, stderr=-1)
    assert pipe.stdout
    pipe.stdout.close()
    assert pipe.communicate()[1] == b""
