"""What the loop changes of MMSegmentation's heads, and what it must not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.train.runner import ProofOptimWrapper, ScaledOptimWrapper, without_training_accuracy


def test_the_unread_accuracy_is_spared_and_the_losses_are_not() -> None:
    """The losses of both heads are the same; the ranking is not done, and is there again afterwards."""
    compute = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
    model = build_model(resolve("fcn-r18-d8", "small"), 3, compute).train()
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (2, 3, 32, 32), np.uint8))
    batch = {"inputs": images, "masks": torch.from_numpy(rng.integers(0, 3, (2, 32, 32), np.uint8))}

    def losses() -> dict[str, float]:
        torch.manual_seed(0)  # dropout
        found = model(**model.data_preprocessor(batch, True), mode="loss")
        return {name: float(value.detach()) for name, value in found.items()}

    with without_training_accuracy():
        spared = losses()
    plain = losses()
    assert {n: v for n, v in spared.items() if "loss" in n} == {n: v for n, v in plain.items() if "loss" in n}
    assert all(value == 0 for name, value in spared.items() if "acc" in name)
    assert all(value > 0 for name, value in plain.items() if "acc" in name)
    assert len(plain) == 4


def stepped(kind: type[ProofOptimWrapper], losses: list[float], clip: float = 0.0) -> tuple[torch.Tensor, Any]:
    """A weight after some steps, each with a loss of this slope, and the optimizer's wrapper."""
    weight = torch.nn.Parameter(torch.ones(3))
    wrapper = kind(
        optimizer=torch.optim.AdamW([weight], lr=0.1, fused=True),
        compute=Compute(device="cpu", precision="fp16", channels_last=False, threads=1),
        device="cpu",
        deterministic=False,
        clip_grad={"max_norm": clip} if clip else None,
    )
    for slope in losses:
        wrapper.update_params((weight * slope).sum())
    return weight.detach(), wrapper


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_a_scaled_loss_moves_the_weights_as_the_loss_does(clip: float) -> None:
    plain, _ = stepped(ProofOptimWrapper, [1.0, 2.0, -0.5], clip)
    scaled, wrapper = stepped(ScaledOptimWrapper, [1.0, 2.0, -0.5], clip)
    torch.testing.assert_close(scaled, plain)
    assert wrapper.scaler.get_scale() == 2**16


def test_a_gradient_that_overflows_is_left_out_and_halves_the_scale() -> None:
    once, _ = stepped(ScaledOptimWrapper, [1.0])
    weight, wrapper = stepped(ScaledOptimWrapper, [1.0, float("inf")])
    assert torch.equal(weight, once) and wrapper.scaler.get_scale() == 2**15
    _, other = stepped(ScaledOptimWrapper, [1.0])
    other.load_state_dict(wrapper.state_dict())
    assert other.scaler.get_scale() == 2**15, "a resumed training goes on with the scale"
