"""Our loop against MMEngine's stock Runner: the same weights, to the bit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

from pixelproof.core.files import read_json
from pixelproof.data import dataset
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.train.checkpoint import DIGEST_BYTES
from stages.train.data import Labelled, Order, TrainSet, loader
from stages.train.heads import set_losses
from stages.train.params import LossTerm, Schedule
from stages.train.schedule import factor
from stages.train.weights import frequency_weights
from tests.stages.train.conftest import COMPUTE, TRAIN, Workspace
from tests.stages.train.test_repeatable import drive

ITERATIONS, ACCUMULATE, CLIP, DECAY = 12, 3, 0.5, 0.8
SEEDS = (0, 0)


class Ours(Hook):  # type: ignore[misc]
    """What our training decides by iteration: torch's seed, and the learning rate."""

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """After the batch is there, before the forward pass."""
        words = np.random.SeedSequence([*SEEDS, batch_idx, 0]).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))
        schedule = Schedule(**TRAIN["schedule"])
        runner.optim_wrapper.param_groups[0]["lr"] = 0.003 * factor(schedule, batch_idx, ITERATIONS)


def stock(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights and averaged weights after MMEngine's Runner, its IterBasedTrainLoop, OptimWrapper and EMAHook."""
    monkeypatch.chdir(root)
    data = Labelled.open([(Path("data/prepared"), "train")])
    seed = int(np.random.SeedSequence(SEEDS).generate_state(1)[0])
    torch.manual_seed(seed)
    model = build_model(read_json(Path("data/configs/unet.json")), data.classes, Compute.model_validate(COMPUTE))
    card = {entry["name"]: entry for entry in read_json(Path("results/data/train.json"))["classes"]}
    pixels = [card[name]["pixels"] for name in dataset.read_header(Path("data/prepared")).names()]
    set_losses(model, [LossTerm(name="cross_entropy", weight=1.0)], frequency_weights(pixels, "power", 0.5))
    order = Order(len(data), SEEDS, 4, ITERATIONS)
    ema = EMAHook(ema_type="ExponentialMovingAverage", momentum=1 - DECAY)
    Runner(
        model=model,
        work_dir=str(root / "stock"),
        train_dataloader=loader(TrainSet(data, SEEDS, ("horizontal", "vertical")), order, 0, pin=False),
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": ITERATIONS},
        optim_wrapper={
            "type": "OptimWrapper",
            "accumulative_counts": ACCUMULATE,
            "clip_grad": {"max_norm": CLIP},
            "optimizer": {"type": "AdamW", "lr": 0.003, "weight_decay": 0.01, "fused": True},
        },
        default_hooks={"logger": None, "checkpoint": None, "param_scheduler": None},
        custom_hooks=[Ours(), ema],
        randomness={"seed": seed},
        log_level="ERROR",
        default_scope="mmengine",
    ).train()
    return model.state_dict(), dict(ema.ema_model.module.named_parameters())


def test_the_loop_computes_what_the_stock_runner_does(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part that computes at once: accumulation, clipping, averages, dropout, the schedule."""
    optimizer = TRAIN["optimizer"] | {"clip": CLIP}
    root = workspace(ema=DECAY, accumulate=ACCUMULATE, optimizer=optimizer)
    assert (done := drive(root, "keep")).returncode == 0, done.stderr
    (path,) = (root / ".pixelproof/checkpoints/unet/0").glob("*/checkpoint.pt")
    ours = torch.load(io.BytesIO(path.read_bytes()[DIGEST_BYTES:]), weights_only=True)
    torch.set_num_threads(1)
    weights, averages = stock(root, monkeypatch)
    assert weights.keys() == ours["model"].keys() and len(averages) == len(ours["average"]["averages"])
    assert all(torch.equal(tensor, ours["model"][name]) for name, tensor in weights.items())
    assert all(map(torch.equal, averages.values(), ours["average"]["averages"]))
    assert not any(torch.equal(average, weights[name]) for name, average in averages.items())
