"""Trainings that end before their time: what they say, and that the same command goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pixelproof.core.errors import StateError
from pixelproof.nn.runtime import Compute
from stages.train.data import Labelled, Order
from stages.train.endings import not_a_number
from stages.train.run import Validation
from tests.stages.train.conftest import Workspace, train, train_forked, write_split
from tests.stages.train.test_repeatable import STATEFUL, drive, driven, outputs


def test_a_signal_saves_and_ends(workspace: Workspace) -> None:
    """Asked in iteration 8, it goes on to 9, where no gradient is half accumulated; then to the undisturbed bytes."""
    undisturbed = workspace("undisturbed", **STATEFUL)
    train(undisturbed)
    for name in ("TERM", "INT"):
        root = workspace(name, **STATEFUL)
        stopped = drive(root, f"{name}:8")
        assert stopped.returncode == 128 + signal.Signals[f"SIG{name}"]
        assert f"stopped by SIG{name} after iteration 9" in stopped.stdout and "Traceback" not in stopped.stderr
        assert not (root / "models").exists()
        assert "resumed after iteration 9" in train_forked(root).stdout
        assert outputs(root) == outputs(undisturbed)


def test_a_signal_to_the_whole_group_saves_too(workspace: Workspace) -> None:
    """The loader's processes get it as well, and two more batches are needed before gradients are whole."""
    long = {"iterations": 6000, "val_interval": 6000, "checkpoint_interval": 6000}
    for name in ("TERM", "INT"):
        root = workspace(name, workers=2, accumulate=3, **long)
        command = [sys.executable, "-m", "stages.train", "--arch", "unet", "--seed", "0"]
        with subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as run:
            assert run.stdout is not None
            assert any("iteration" in line for line in run.stdout)
            os.killpg(run.pid, signal.Signals[f"SIG{name}"])
            said = run.stdout.read()
        assert run.returncode == 128 + signal.Signals[f"SIG{name}"], said
        (iteration,) = re.findall(r"stopped by SIG\w+ after iteration (\d+), which is saved", said)
        assert int(iteration) % 3 == 0 and "Traceback" not in said


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a run that failed as it should."""
    assert done.returncode == 2, done.stdout + done.stderr
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("error: ") and "Traceback" not in done.stderr
    return message


def test_a_loss_that_is_no_number_names_the_batch(workspace: Workspace) -> None:
    """The weights become infinite before iteration 6: it names that iteration, its four images and the rate."""
    message = one_line(drive(workspace("diverged"), "diverge:6"))
    assert "iteration 6: the loss is nan at the learning rate 0.00" in message
    ids = [f"train-{index:02}" for _, index in Order(16, (0, 0), 4, 12).keys(5)]
    assert f"on {', '.join(ids)}; lower train.optimizer.lr" in message


def test_a_long_list_of_images_is_cut() -> None:
    """Sixteen of twenty names, and how many more."""
    message = str(not_a_number(float("inf"), 3, 0.1, [f"i{number}" for number in range(20)]))
    assert "i15 and 4 more;" in message and "i16" not in message
    assert isinstance(not_a_number(1.0, 1, 1.0, []), StateError)


def test_out_of_memory_says_what_to_change(workspace: Workspace) -> None:
    """The process may map no more memory in its second iteration, and inherits none that is free."""
    command = [sys.executable, *driven("memory:2")]
    done = subprocess.run(command, cwd=workspace("large", decoded=0.0), capture_output=True, text=True)
    message = one_line(done)
    assert "a batch of 4 images of 64x64: out of memory; halve train.batch and double train.accumulate" in message


def test_out_of_memory_in_validation_names_its_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the training's batch that must be smaller."""

    def full(*_: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    monkeypatch.setattr("stages.train.run.class_ids", full)
    write_split(tmp_path, "val", 5)
    compute = Compute(device="cpu", precision="fp32", channels_last=True, threads=1)
    validation = Validation(Labelled.open([(tmp_path, "val")]), compute, 3, "cpu", (0, 1))
    with pytest.raises(StateError, match=r"^a batch of 3 images of 64x64: out of memory; lower train.val_batch"):
        validation(torch.nn.Identity())


def test_a_full_disk_loses_no_finished_checkpoint(workspace: Workspace) -> None:
    """The second checkpoint does not fit; the first is there, and with room the training goes on from it."""
    root = workspace("full")
    assert "the last finished checkpoint is kept" in one_line(drive(root, "disk:2"))
    assert not list(root.rglob(".checkpoint*"))
    assert "resumed after iteration 3" in train_forked(root).stdout
