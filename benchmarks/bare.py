"""A training loop in plain PyTorch, with the project's network and settings: without MMEngine, logging, saving or
validation, and with all batches in memory, normalised and in the right memory format."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.workspace import ENDLESS
from commands._pace import Held
from pixelproof.core.params import load
from pixelproof.data import dataset
from pixelproof.nn.build import build_model, read_config
from pixelproof.nn.runtime import autocast, set_up
from stages.train.params import Params

BATCHES = 8  # in memory


def train_bare(line: Connection, workspace: Path, arch: str) -> None:
    """Train without end, paused at a line."""
    import torch

    os.chdir(workspace)
    params = load("train", Params)
    device = set_up(params.compute)
    torch.manual_seed(0)
    prepared = Path("data/prepared")
    classes = dataset.read_header(prepared).names()
    model = build_model(read_config(Path(f"data/configs/{arch}.json")), len(classes), params.compute).to(device).train()
    optimizer = make_optimizer(model, params.train)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, params.train.optimizer.lr, ENDLESS)
    loss_of: Callable[[Any, Any], Any] = Loss(model, len(classes))
    if getattr(params.train, "compile", False):
        loss_of = torch.compile(loss_of)
    for batch in Held(in_memory(model, prepared, classes, params.train.batch), line):
        with autocast(params.compute, device):
            loss = loss_of(batch["inputs"], batch["masks"])
        optimizer.zero_grad()
        loss.backward()
        if params.train.optimizer.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), params.train.optimizer.clip)
        optimizer.step()
        schedule.step()
        loss.item()  # any training reads it


def make_optimizer(model: Any, train: Any) -> Any:
    """The optimizer of the params, fused like ours."""
    import torch

    chosen = train.optimizer
    if chosen.name == "adamw":
        return torch.optim.AdamW(model.parameters(), chosen.lr, weight_decay=chosen.weight_decay, fused=True)
    return torch.optim.SGD(model.parameters(), chosen.lr, 0.9, weight_decay=chosen.weight_decay, fused=True)


def in_memory(model: Any, prepared: Path, classes: list[str], batch: int) -> Iterator[dict[str, Any]]:
    """A few batches of the training set, over and over."""
    import numpy as np
    import torch

    samples = list(itertools.islice(itertools.cycle(dataset.read_split(prepared, "train")), BATCHES * batch))
    batches = []
    for start in range(0, len(samples), batch):
        part = samples[start : start + batch]
        images = np.stack([dataset.read_image(prepared, "train", sample) for sample in part])
        masks = np.stack([dataset.read_mask(prepared, "train", sample, len(classes)) for sample in part])
        raw = {"inputs": torch.from_numpy(images).permute(0, 3, 1, 2)}
        inputs = model.data_preprocessor(raw, True)["inputs"]
        batches.append({"inputs": inputs, "masks": torch.from_numpy(masks).to(inputs.device).long()})
    return itertools.cycle(batches)


class Loss:
    """The weighted cross-entropies of both heads, from torch. Equal weights cost as much as others."""

    def __init__(self, model: Any, classes: int) -> None:
        import torch

        self.model = model
        self.weights = torch.ones(classes, device=next(model.parameters()).device)

    def __call__(self, inputs: Any, masks: Any) -> Any:
        from torch.nn import functional

        features = self.model.backbone(inputs)
        total = 0.0
        for head in (self.model.decode_head, self.model.auxiliary_head):
            logits = head(features)
            logits = functional.interpolate(logits, masks.shape[1:], mode="bilinear", align_corners=head.align_corners)
            loss = functional.cross_entropy(logits.float(), masks, self.weights, ignore_index=dataset.IGNORE)
            total = total + head.loss_decode.loss_weight * loss
        return total
