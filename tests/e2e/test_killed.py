"""Kills of the real DVC while a real training runs."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.pixelproof.core.test_alive import wait_until
from tests.workspace import Run, Workspace

pytestmark = [pytest.mark.slow, pytest.mark.promise]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_training_ends_with_dvc_and_the_next_one_is_alone(first_run: Run, tmp_path: Path, number: int) -> None:
    """Started again at once, it waits for what is left of the first, resumes, and ends in the undisturbed bytes."""
    undisturbed, killed = (first_run.workspace.at(tmp_path / name / "a clone") for name in ("undisturbed", "killed"))
    for workspace in (undisturbed, killed):
        workspace.set_params(train__iterations=60, train__checkpoint_interval=5)
    undisturbed.dvc("repro", "train@unet-0")
    alone = Workspace(killed.folder, {key: killed.env[key] for key in killed.env if key != "PIXELPROOF_PYTHON"})
    first = training_until_killed(alone, number)
    output = alone.dvc("repro", "train@unet-0")
    assert "unet seed 0: resumed after iteration" in output
    wait_until(lambda: not first & {process.pid for process in psutil.process_iter()})
    patterns = ("dvc.lock", "models/**/*", "results/unet/0/train/*")
    assert killed.digests(*patterns) == undisturbed.digests(*patterns)


def training_until_killed(workspace: Workspace, number: int) -> set[int]:
    """The processes that DVC has started; DVC alone is sent the signal, in the middle of the training."""
    command = ["bin/python", "-m", "dvc", "repro", "train@unet-0"]
    with subprocess.Popen(
        command, cwd=workspace.folder, env=workspace.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as dvc:
        assert dvc.stdout is not None
        assert any("iteration 1/60" in line for line in dvc.stdout)
        children = {child.pid for child in psutil.Process(dvc.pid).children(recursive=True)}
        os.kill(dvc.pid, number)
        assert dvc.wait() == -number
        dvc.stdout.close()
    assert children
    return children
