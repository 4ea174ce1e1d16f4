"""The objects that a network finds: in each image whole and once, whatever windows and views its classes are from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from pixelproof.nn.runtime import Compute, autocast
from pixelproof.scoring.instances import Instance, cut_out, merged
from stages.evaluate.slide import Image

Detect = Callable[[list[Image]], list[list[Instance]]]


def detector(model: Any, things: Sequence[int], compute: Compute, device: str) -> Detect | None:
    """What finds the objects of images, the best score first; None for a network that knows classes alone."""
    return partial(detect, model, things, compute, device) if hasattr(model, "objects") else None


def detect(
    model: Any, things: Sequence[int], compute: Compute, device: str, images: list[Image]
) -> list[list[Instance]]:
    """The objects of images of one size, the best score first."""
    import torch

    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    height, width = pixels.shape[2:]
    with torch.inference_mode(), autocast(compute, device):
        inputs = model.data_preprocessor({"inputs": pixels}, False)["inputs"]
        found = model.objects(model.extract_feat(inputs), things)
    instances = []
    for one in found:
        masks = one.masks[:, :height, :width].cpu().numpy()  # without what was padded
        each = zip(one.classes.tolist(), one.scores.tolist(), masks, strict=True)
        cut = (cut_out(label, score, mask) for label, score, mask in each)
        instances.append([instance for instance in cut if instance is not None])
    return instances


def jointly(detectors: Sequence[Detect | None]) -> Detect | None:
    """Several as one: of objects that overlap, the best; None if one of the networks knows classes alone."""
    every = [each for each in detectors if each is not None]
    if len(every) < len(detectors):
        return None
    return every[0] if len(every) == 1 else partial(_merged, every)


def _merged(detectors: Sequence[Detect], images: list[Image]) -> list[list[Instance]]:
    return [merged(parts) for parts in zip(*(each(images) for each in detectors), strict=True)]
