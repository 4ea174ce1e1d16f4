"""The parts of the loop: what it changes of MMSegmentation's heads and must not change, steps, averages, losses."""

from __future__ import annotations

import hashlib
import math
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pixelproof.core.errors import StateError
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.train.average import Average
from stages.train.checkpoint import DIGEST_BYTES, Checkpoints
from stages.train.curves import Curves
from stages.train.data import Order
from stages.train.loop import Course, Records, Run, without_training_accuracy
from stages.train.optimizer import Steps
from stages.train.params import Schedule
from stages.train.plan import Plan
from stages.train.readings import Readings


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


def stepped(scaled: bool, losses: list[float], clip: float = 0.0) -> tuple[torch.Tensor, Steps]:
    """A weight after some steps, each with a loss of this slope, and what made them."""
    weight = torch.nn.Parameter(torch.ones(3))
    steps = Steps(torch.optim.AdamW([weight], lr=0.1, fused=True), clip, "cpu", scaled)
    for slope in losses:
        steps.backward((weight * slope).sum())
        steps.step()
    return weight.detach(), steps


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_a_scaled_loss_moves_the_weights_as_the_loss_does(clip: float) -> None:
    plain, _ = stepped(False, [1.0, 2.0, -0.5], clip)
    scaled, steps = stepped(True, [1.0, 2.0, -0.5], clip)
    torch.testing.assert_close(scaled, plain)
    assert steps.scaler.get_scale() == 2**16


def test_a_gradient_that_overflows_is_left_out_and_halves_the_scale() -> None:
    once, _ = stepped(True, [1.0])
    weight, steps = stepped(True, [1.0, float("inf")])
    assert torch.equal(weight, once) and steps.scaler.get_scale() == 2**15
    _, other = stepped(True, [1.0])
    other.load_state_dict(steps.state_dict())
    assert other.scaler.get_scale() == 2**15, "a resumed training goes on with the scale"


def test_the_average_is_that_of_the_formula_and_stands_in_for_the_weights() -> None:
    """By hand, with decay 3/4: it begins with the first weights; in the block the network has it, and then not."""
    model = torch.nn.Linear(1, 1, bias=False)
    average = Average(model, 0.75)
    for value in (8.0, 4.0, 0.0):
        torch.nn.init.constant_(model.weight, value)
        average.update()
    with average.in_place():
        assert model.weight.item() == 0.75 * (0.75 * 8 + 0.25 * 4) + 0.25 * 0
    assert model.weight.item() == 0
    other = Average(model, 0.75)
    other.load_state_dict(average.state_dict())
    with other.in_place():
        assert model.weight.item() == 5.25


def test_an_average_with_warm_up_is_that_of_a_plain_loop() -> None:
    """Two weights in fp64, over 40 updates: the decay grows from 2/11 and stays at 0.75 from the 27th on.

    Resumed in the middle, the average is the same to the bit.
    """
    model = torch.nn.Linear(1, 2, bias=False).double()
    average, halfway = Average(model, 0.75, warmup=True), Average(model, 0.75, warmup=True)
    expected, decays = np.zeros((2, 1)), []
    for n, value in enumerate(np.random.default_rng(0).normal(size=(40, 2, 1))):
        model.weight.data = torch.from_numpy(value)
        decays.append(min(0.75, (1 + n) / (10 + n)) if n else 0.0)
        expected = decays[-1] * expected + (1 - decays[-1]) * value
        average.update()
        if n == 12:
            halfway.load_state_dict(average.state_dict())
        elif n > 12:
            halfway.update()
    assert decays[1] == 2 / 11 and decays[25] < decays[26] == decays[39] == 0.75
    np.testing.assert_allclose(average.averages[0].numpy(), expected, rtol=1e-12)
    assert torch.equal(average.averages[0], halfway.averages[0])


class Recorded:
    """Two images without end, of which the ids are `image-0` and `image-1`."""

    def __len__(self) -> int:
        return 2

    def id(self, index: int) -> str:
        """The id of an image."""
        return f"image-{index}"


def test_losses_that_are_read_late_still_name_the_first_bad_iteration() -> None:
    """As on a GPU, ten at a time: the third of them is not a number, and the later ones are not either."""
    plan = Plan(20, 20, 20, 0, Schedule(name="poly", warmup=0.1), False)
    order = Order(2, (0, 0), 1, 20)
    course, records = Course((0, 0), plan, order, Recorded()), Records(None, Curves(None), None, True)  # type: ignore[arg-type]
    run = Run(course, records, lambda _: {}, "cpu")
    run.readings = Readings("cpu", 10)
    learner: Any = SimpleNamespace(rate=lambda share: share)
    for number in range(10):
        run.note(torch.tensor(1.0 if number != 2 and number < 5 else math.nan), 0)
        run.done += 1
    assert run.readings.full
    with pytest.raises(StateError, match=rf"^iteration 3: the loss is nan .* on image-{order.keys(2)[0][1]};"):
        run.read(learner)
    assert run.losses == [1.0, 1.0]


def test_a_checkpoint_takes_no_second_copy_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MB of weights, written and read back; what Python allocates meanwhile is less than a tenth of them."""
    monkeypatch.chdir(tmp_path)
    checkpoints, weights = Checkpoints("unet", 0, "key"), torch.rand(2**24)
    tracemalloc.start()
    checkpoints.save({"iteration": 3, "weights": weights})
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 6_000_000
    stored = checkpoints.path.read_bytes()
    assert stored[:DIGEST_BYTES] == hashlib.sha256(stored[DIGEST_BYTES:]).digest()
    found = checkpoints.load()
    assert found is not None and found["iteration"] == 3 and torch.equal(found["weights"], weights)
