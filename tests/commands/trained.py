"""A workspace as after `dvc repro evaluate`, of a network that nobody trained: its batch norm alone has seen images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixelproof.core.files import write_json
from pixelproof.core.params import load
from pixelproof.data import dataset
from pixelproof.nn.build import build_model, load_weights, read_config, save_weights
from pixelproof.nn.runtime import Compute
from stages.evaluate import __main__ as evaluate
from stages.evaluate.params import Params
from stages.prepare.card import Card, counted
from stages.prepare.params import Params as PrepareParams
from stages.prepare.shape import Fate, Piece
from tests.stages.train.conftest import CLASSES, Workspace, write_split

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


def as_trained(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, arch: str) -> Path:
    """Make the workspace and go there."""
    root = workspace(arch=arch, compute={"precision": "fp32"})
    write_split(root / "data/prepared", "test", 5)
    monkeypatch.chdir(root)
    for split in dataset.SPLITS:
        card = Card(CLASSES, Fate(load("prepare", PrepareParams).prepare.shape, split))
        for sample, image, mask in dataset.iterate(Path("data/prepared"), split):
            card.add(sample, counted(Piece.whole(sample, image, mask, None, Path("unread"))))
        write_json(Path(f"results/data/{split}.json"), card.as_json())
    torch.manual_seed(0)
    np.random.seed(0)
    model = build_model(read_config(Path(f"data/configs/{arch}.json")), 3, FP32)
    model.init_weights()
    seen = torch.from_numpy(np.stack([image for _, image, _ in dataset.iterate(Path("data/prepared"), "val")]))
    model.eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
    with torch.no_grad():
        forward(model, seen.permute(0, 3, 1, 2))
    save_weights(Path(f"models/{arch}/0/weights.safetensors"), model.state_dict())
    names = [info.name for info in CLASSES]
    facts = {"classes": names, "iterations": 12, "best_iteration": 8, "val_mIoU": 0.25, "seed": 0}
    write_json(Path(f"models/{arch}/0/facts.json"), facts | {"architecture": arch})
    evaluate.evaluate(arch, 0, load("evaluate", Params))
    return root


def network(arch: str) -> Any:
    """The network of the workspace."""
    model = build_model(read_config(Path(f"data/configs/{arch}.json")), 3, FP32)
    load_weights(model, Path(f"models/{arch}/0/weights.safetensors"))
    return model.eval()


def forward(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """The logits of uint8 images NCHW, normalised by hand: as ImageNet's, or as EfficientNet-Lite's pixels."""
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    if type(getattr(model, "backbone", None)).__name__ == "EfficientNetLite":
        mean, std = torch.full((3,), 127.0), torch.full((3,), 128.0)
    inputs = (pixels.float() - mean[:, None, None]) / std[:, None, None]
    logits: torch.Tensor = model.encode_decode(inputs, [{"img_shape": tuple(pixels.shape[2:])}] * len(pixels))
    return logits
