"""What must hold for every architecture, given only its name: a new file in the folder needs no change here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pixelproof.nn.build import build_model, class_ids, load_weights, save_weights, weights_bytes
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import names, resolve

COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=2)
CLASSES = 3
IN_CI = {"unet", "fcn-r18-d8", "deeplabv3plus-r18", "fcn8s", "segnet", "unet-vgg16-bn", "bisenetv2", "segformer-b0"}
FITTED = {"kmeans"}  # no gradient: tests/pixelproof/networks/test_kmeans.py
NUMBERS = {"segformer-b0"}  # MMSegmentation reads a tensor's value while building; the meta device has none
EVERY = [pytest.param(name, marks=() if name in IN_CI else pytest.mark.slow) for name in names() if name not in FITTED]
SIZE = 128
# Pixel accuracy; all ground would be 0.67. FCN-32s has 4x4 scores per image, and never gets far above 0.87.
LEARNT = {"fcn32s": 0.85}


def two_images() -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """A square and a stripe, each of its own colour, on noise."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for top, left in ((16, 40), (64, 8)):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[top : top + 48, left : left + 48] = 1
        mask[:, 96:120] = 2
        colours = np.array([[90, 120, 90], [200, 80, 80], [60, 60, 200]])[mask]
        images.append(np.clip(colours + rng.normal(0, 10, colours.shape), 0, 255).astype(np.uint8))
        masks.append(mask)
    return images, masks


def train(model: Any, steps: int) -> float:
    """Train some steps on the two images and return the last loss."""
    images, masks = two_images()
    batch = {
        "inputs": torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2),
        "masks": torch.from_numpy(np.stack(masks)),
        "objects": torch.from_numpy(np.stack(masks) == 1).int(),  # the square; only some networks look at it
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps + 1)
    loss = torch.zeros(())
    for _ in range(steps):
        model.train()
        loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode="loss"))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
    model.eval()
    return float(loss.detach())


def built(name: str) -> Any:
    """The small network, initialised from a fixed seed."""
    torch.manual_seed(0)
    np.random.seed(0)
    model = build_model(resolve(name, "small"), CLASSES, COMPUTE)
    model.init_weights()
    return model


@pytest.fixture(autouse=True)
def _two_threads() -> None:
    torch.set_num_threads(2)


@pytest.mark.parametrize("name", EVERY)
def test_it_learns_two_images_and_its_weights_can_be_loaded(name: str, tmp_path: Path) -> None:
    """It fits two images; another instance with its saved weights predicts the same."""
    torch.set_num_threads(1)  # two take half as much again of the processors' time, which the other tests need
    images, masks = two_images()
    model = built(name)
    train(model, 80)
    learnt = class_ids(model, images, COMPUTE, "cpu")
    assert learnt.shape == (2, SIZE, SIZE)
    assert (learnt == np.stack(masks)).mean() > LEARNT.get(name, 0.9)
    save_weights(tmp_path / "weights.safetensors", model.state_dict())
    torch.manual_seed(1)
    other = build_model(resolve(name, "small"), CLASSES, COMPUTE)
    load_weights(other, tmp_path / "weights.safetensors")
    np.testing.assert_array_equal(class_ids(other.eval(), images, COMPUTE, "cpu"), learnt)


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    """Built and trained for three steps twice: the same weights to the bit, and different from the initial ones."""
    models = [built(name), built(name)]
    first = weights_bytes(models[0].state_dict())
    for model in models:
        torch.manual_seed(2)
        train(model, 3)
    one, two = (weights_bytes(model.state_dict()) for model in models)
    assert one == two != first


@pytest.mark.parametrize("name", EVERY)
def test_the_full_size_builds(name: str) -> None:
    """The paper's size builds (on the meta device, without memory for weights) and is larger than the small one."""
    with torch.device("cpu" if name in NUMBERS else "meta"):
        full = build_model(resolve(name, "full"), CLASSES, COMPUTE)
    small = build_model(resolve(name, "small"), CLASSES, COMPUTE)
    assert count(full) > count(small) > 0


@pytest.mark.parametrize("name", EVERY)
def test_every_weight_gets_a_gradient(name: str) -> None:
    """A weight without one belongs to a layer that is not connected, and breaks training on two GPUs."""
    model = built(name)
    train(model, 1)
    idle = [key for key, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert idle == []


def count(model: Any) -> int:
    """The number of parameters."""
    return sum(weight.numel() for weight in model.parameters())
