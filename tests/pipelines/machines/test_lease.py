"""Which GPU a stage gets on a machine that several share; the locks are real, and need no GPU."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from pipelines.machines.lease import gpus, leased

HOLDER = """
import sys, time
from pipelines.machines.lease import leased
with leased("train@unet-0", ["4", "7"]) as environ:
    print(environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_two_stages_get_two_and_a_third_that_of_one_that_was_killed(capsys: pytest.CaptureFixture[str]) -> None:
    def holder() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)

    with holder() as first, holder() as second:
        assert first.stdout and second.stdout
        got = [first.stdout.readline().strip(), second.stdout.readline().strip()]
        assert sorted(got) == ["4", "7"]
        third: list[str] = []

        def lease() -> None:
            with leased("train@fcn-0", ["4", "7"]) as environ:
                third.append(environ["CUDA_VISIBLE_DEVICES"])

        waiting = threading.Thread(target=lease)
        waiting.start()
        time.sleep(1)
        assert not third
        second.kill()
        waiting.join(20)
        first.kill()
    assert third == [got[1]]
    assert "train@fcn-0: waits for a GPU; all 2 are taken" in capsys.readouterr().err


def test_a_machine_without_has_none_to_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert gpus({}) == []
    with leased("train@unet-0", gpus({})) as environ:
        assert environ == {}


def test_gpus_are_those_that_nvidia_smi_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: H200 (UUID: GPU-1)'\necho 'GPU 1: H200 (UUID: GPU-2)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert gpus({}) == ["0", "1"]
