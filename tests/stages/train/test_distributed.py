"""Several processes that share each batch against one process that has it whole."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from pixelproof.core.errors import ParamsError
from pixelproof.data import dataset
from stages.train.__main__ import devices
from stages.train.params import Params
from tests.stages.train.batches import BATCHES, LOSSES, Counted, logits_of, validate, weight
from tests.stages.train.conftest import REPOSITORY, TRAIN, Workspace, train, train_forked, write_split
from tests.stages.train.test_cuda import LOSSES as TERMS
from tests.stages.train.test_cuda import curve

ARCH = "unet-vgg16"  # no batch norm, which each process would reckon over its own images, and no dropout
COMPUTE = {"device": "cpu", "precision": "fp32", "channels_last": False, "threads": 1}
SGD = {"name": "sgd", "lr": 0.1, "weight_decay": 0.001, "clip": 1.0, "lr_factors": {}}


def ignore_unevenly(root: Path) -> None:
    """Leave every other training image a few rows that count."""
    for path in sorted((root / "data/prepared/train/masks").glob("*.png"))[::2]:
        mask = np.array(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        mask[6:] = dataset.IGNORE
        cv2.imwrite(str(path), mask)


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes make of the losses, and of a validation over five images."""
    folder = tmp_path_factory.mktemp("shares")
    write_split(folder, "val", 5)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = str(Path(__file__).parent / "shares.py")
    subprocess.run([*torchrun, script, str(folder), str(folder / "found.pt")], check=True, cwd=REPOSITORY)
    return {"folder": folder, **torch.load(folder / "found.pt")}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("batch", BATCHES)
def test_each_loss_of_two_processes_is_that_of_one(shares: dict[str, Any], batch: str, name: str) -> None:
    """Value and gradient in fp64, where the halves have very different numbers of pixels that count, or none."""
    w = weight()
    value = LOSSES[name](logits_of(w), BATCHES[batch])
    (gradient,) = torch.autograd.grad(value, w)
    mean, gradients = shares[f"{batch}, {name}"]
    assert mean == pytest.approx(float(value.detach()), rel=1e-12)
    torch.testing.assert_close(gradients, gradient, rtol=1e-9, atol=1e-14)
    assert (batch == "empty") == (not gradient.any())


def test_a_validation_of_two_processes_counts_each_image_once(shares: dict[str, Any]) -> None:
    """Of an odd number of images: none is left out, and none stands in twice to make the shares alike."""
    reads, scores = shares["reads"], shares["scores"]
    assert reads == [[0, 2, 4], [1, 3]]
    assert scores == validate(Counted.open([(shares["folder"], "val")]), 0, 1)


def test_losses_and_signals_of_two_processes_are_read_by_both(shares: dict[str, Any]) -> None:
    """Losses 0, 1, 2 and 1, 2, 3; only the second process got a signal, and the first knows."""
    assert shares["losses"] == [0.5, 1.5, 2.5]
    assert shares["asked"] == signal.SIGTERM


@pytest.mark.slow
@pytest.mark.promise
def test_two_processes_train_as_one_with_their_batches_together(workspace: Workspace) -> None:
    """All losses at once, and two batches to a step: the curve within rounding, the same scores, and weights that
    rounding alone tells apart."""
    roots = [
        workspace(
            name,
            arch=ARCH,
            compute=COMPUTE,
            loss=TERMS,
            optimizer=SGD,
            accumulate=2,
            val_interval=6,
            checkpoint_interval=6,
        )
        for name in ("one", "two")
    ]
    for number, root in enumerate(roots, 1):
        ignore_unevenly(root)
        shutil.rmtree(root / "data/prepared/val")
        write_split(root / "data/prepared", "val", 5)
        train_forked(root, ARCH, "--processes", str(number))
    one, two = (curve(root, ARCH, "train/loss") for root in roots)
    assert len(one) == 2 and one == pytest.approx(two, rel=1e-5)
    scores = [curve(root, ARCH, "val/mIoU") + curve(root, ARCH, "val/pixel_accuracy") for root in roots]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    weights = [load_file(root / f"models/{ARCH}/0/weights.safetensors") for root in roots]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="a process takes a CUDA device of its own")
def test_two_devices_normalise_over_the_whole_batch(workspace: Workspace) -> None:
    """A network with batch norm: synchronised, it sees the batch that one device has."""
    compute, optimizer = COMPUTE | {"device": "cuda"}, SGD
    roots = [
        workspace(name, arch="unet-bn", compute=compute, loss=TERMS, optimizer=optimizer, deterministic=True)
        for name in ("one", "two")
    ]
    for number, root in enumerate(roots, 1):
        ignore_unevenly(root)
        train(root, "unet-bn", "--processes", str(number))
    one, two = (curve(root, "unet-bn", "train/loss") for root in roots)
    assert one == pytest.approx(two, rel=1e-3)


def end_one(root: Path, victim: str, number: signal.Signals) -> tuple[int, list[str]]:
    """Train with two processes, and send one of the three a signal; how the first ended, and the lines of errors."""
    command = [sys.executable, "-m", "stages.train", "--arch", "unet", "--seed", "0", "--processes", "2"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None and "iteration 1/" in launcher.stdout.readline()
        first = psutil.Process(launcher.pid)
        workers = {
            child.environ()["RANK"]: child
            for child in first.children(recursive=True)
            if "stages.train" in child.cmdline() and "RANK" in child.environ()
        }
        assert sorted(workers) == ["0", "1"]
        (workers | {"launcher": first})[victim].send_signal(number)
        _, errors = launcher.communicate(timeout=120)
    assert not any(worker.is_running() for worker in workers.values())
    return launcher.returncode, errors.splitlines()


def test_a_process_that_dies_ends_the_others_in_one_line(workspace: Workspace) -> None:
    """The second process is killed in the middle of the training: nobody waits for it."""
    code, (*others, last) = end_one(workspace(iterations=100_000, val_interval=1), "1", signal.SIGKILL)
    assert code == 2 and last.startswith("error: the training: ") and "process 1 ended with SIGKILL" in last
    assert all(line.startswith("error: process 0: could not reach the others") for line in others), others


@pytest.mark.slow
def test_ending_the_command_ends_its_processes(workspace: Workspace) -> None:
    code, lines = end_one(workspace(iterations=100_000, val_interval=1), "launcher", signal.SIGTERM)
    assert code == 130 and lines[-1] == "error: interrupted" and "Traceback" not in "".join(lines), lines


def test_a_batch_that_cannot_be_shared_is_refused_in_one_line(workspace: Workspace) -> None:
    done = train_forked(workspace(), "unet", "--processes", "3", check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "train.batch: found 4; expected a multiple of the 3 processes" in done.stderr


@pytest.mark.parametrize(("asked", "present"), [(1, 3), (2, 2), (3, 2)])
def test_as_many_devices_are_taken_as_params_say(asked: int, present: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all that the machine has; and not more than it has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: present)
    compute = {"device": "auto", "devices": asked, "precision": "fp32", "channels_last": True, "threads": 1}
    own = {key: value for key, value in TRAIN.items() if key not in ("seeds", "scale", "pretrained")}
    params = Params.model_validate({"seed": 0, "compute": compute, "train": own})
    if asked <= present:
        assert devices(params) == asked
        return
    with pytest.raises(ParamsError, match=r"compute\.devices: found 3; expected at most 2"):
        devices(params)


@pytest.mark.parametrize("seed", ["-1", "x"])
def test_a_seed_that_is_none_is_one_line(seed: str, workspace: Workspace) -> None:
    done = train_forked(workspace(), "unet", "--seed", seed, check=False)
    assert done.returncode == 2 and "train.seeds: found" in done.stderr and len(done.stderr.splitlines()) == 1
