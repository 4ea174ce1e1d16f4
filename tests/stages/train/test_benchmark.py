"""What the table of benchmarks/train.py rests on: both sides train one network, on as many images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from mmseg.utils import register_all_modules

from benchmarks.bare import train_bare
from benchmarks.stock import CHANGES, CONFIGS, Task, stock_config, train_stock
from commands._pace import Training, train_in
from pixelproof.core.errors import StateError
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from tests.stages.train.conftest import Workspace


def make_task(folder: Path, arch: str = "unet", scale: str = "small") -> Task:
    """What the benchmark would be told of a workspace of these tests."""
    return Task(arch, scale, folder, batch=4, workers=0, threads=1, flips=("horizontal", "vertical"))


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """`name -> shape` of all parameters and buffers."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("arch", sorted(CONFIGS))
def test_stock_is_the_network_that_we_train(workspace: Workspace, tmp_path: Path, arch: str, scale: str) -> None:
    config = stock_config(make_task(workspace(), arch, scale), tmp_path / "work")
    register_all_modules()
    compute = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
    with torch.device("meta"):
        stock, ours = MODELS.build(config.model), build_model(resolve(arch, scale), 3, compute)
    assert shapes(stock) == shapes(ours)
    assert len(shapes(ours)) > 50


@pytest.mark.slow
def test_all_sides_train_as_many_images(workspace: Workspace, tmp_path: Path) -> None:
    """Stock with every change, the bare loop and the stage itself, each held after two steps and after one more."""
    root = workspace()
    task = make_task(root)
    sides: dict[str, tuple[Any, ...]] = {
        "stock": (train_stock, task, tmp_path / "stock", CHANGES),
        "bare": (train_bare, root, "unet"),
        "ours": (train_in, root, "unet", 0),
    }
    for name, work in sides.items():
        with Training(name, *work) as training:
            two, one = training.run(2), training.run(1)
            assert training.process.is_alive()  # it has 12 iterations, and was asked for 3
        assert training.process.exitcode == 0, name
        assert (two.steps, two.images, one.steps, one.images) == (2, 8, 1, 4), name
        assert 0 < two.waited < two.seconds, name
    assert not (root / "models").exists()  # ours did not come to its end


def test_a_mistake_in_a_held_training_is_its_one_line(tmp_path: Path) -> None:
    with Training("ours", train_in, tmp_path, "unet", 0) as training, pytest.raises(StateError, match=r"dvc\.yaml"):
        training.run(1)
