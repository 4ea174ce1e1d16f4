"""What the loop changes of MMSegmentation's heads, and what it must not change."""

from __future__ import annotations

import numpy as np
import torch

from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.train.runner import without_training_accuracy


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
