"""`train.deterministic`: the same bytes twice on CUDA, and on the CPU the same code."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from tests.ongpu import DEVICE
from tests.stages.train.conftest import Workspace, train, weights

# One for each thing that has a form of its own: interpolation, pooling to windows, un-pooling, hard pixels, attention.
FAMILIES = ["unet", "pspnet-r18", "segnet", "pidnet-s", "segformer-b0", "ocrnet-hr18s"]
LOSSES = [{"name": name, "weight": 1.0} for name in ("cross_entropy", "focal", "dice", "lovasz")]


def curve(root: Path, arch: str, name: str) -> list[float]:
    """The values of one curve."""
    with (root / f"results/{arch}/0/train/curves.csv").open() as file:
        return [float(row["value"]) for row in csv.DictReader(file) if row["name"] == name]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("arch", FAMILIES)
def test_cuda_writes_the_same_bytes_twice(workspace: Workspace, arch: str, precision: str) -> None:
    """With every loss at once; and what torch has no deterministic form of would have ended the run."""
    compute = {"device": DEVICE, "precision": precision, "channels_last": True, "threads": 1}
    roots = [workspace(name, arch=arch, compute=compute, deterministic=True, loss=LOSSES) for name in ("one", "two")]
    for root in roots:
        train(root, arch, "--processes", "1")
    assert weights(roots[0], arch) == weights(roots[1], arch)
    assert curve(roots[0], arch, "train/loss") == curve(roots[1], arch, "train/loss")


@pytest.mark.gpu
def test_cuda_trains_as_the_cpu_does(workspace: Workspace) -> None:
    """The deterministic forms on both: the first iterations' loss is the same within rounding."""
    losses: list[list[float]] = []
    for device in ("cpu", DEVICE):
        compute = {"device": device, "precision": "fp32", "channels_last": False, "threads": 1}
        root = workspace(f"{device}{len(losses)}", arch="unet-vgg16", compute=compute, deterministic=True, iterations=4)
        train(root, "unet-vgg16", "--processes", "1")
        losses.append(curve(root, "unet-vgg16", "train/loss"))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.slow
def test_on_the_cpu_the_same_forms_run(workspace: Workspace) -> None:
    """Twice the same bytes; and other ones than torch's forms write, from which they differ by rounding alone."""
    compute = {"precision": "fp32", "device": "cpu", "channels_last": True, "threads": 1}
    arch = "pspnet-r18"
    roots = [
        workspace(name, arch=arch, compute=compute, deterministic=name != "torchs", iterations=4)
        for name in ("one", "two", "torchs")
    ]
    for root in roots:
        train(root, arch)
    first, second, torchs = (weights(root, arch) for root in roots)
    assert first == second != torchs
    losses = [curve(root, arch, "train/loss") for root in roots]
    assert losses[0] == pytest.approx(losses[2], rel=1e-4)


def test_asking_for_cuda_where_there_is_none_is_still_one_line(workspace: Workspace) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    root = workspace(compute={"device": "cuda", "precision": "fp32", "channels_last": False, "threads": 1})
    done = train(root, check=False)
    assert done.returncode == 2 and "no CUDA device" in done.stderr and len(done.stderr.splitlines()) == 1
