"""A network as others call it: pixels in, logits and class ids out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Deployed(nn.Module):
    """Pixels to answers: uint8 RGB images (N, H, W, 3) to logits (N, C, H, W) and class ids (N, H, W)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logits and the class ids at the size of the images."""
        height, width = image.shape[1:3]
        inputs = self.model.data_preprocessor({"inputs": image.permute(0, 3, 1, 2)}, False)["inputs"]
        logits = logits_of(self.model, inputs)[..., :height, :width]
        return logits, logits.argmax(dim=1).to(torch.uint8)


def logits_of(model: Any, inputs: Tensor) -> Tensor:
    """The logits for normalised images, at their size."""
    metas = [{"img_shape": tuple(inputs.shape[2:])}]  # of the first image alone: to ask for their number would fix it
    logits: Tensor = model.encode_decode(inputs, metas)
    return logits
