"""Normalisation as a module of the network, so that training and prediction cannot differ in it."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from pixelproof.data.dataset import IGNORE

DIVISOR = 32  # the largest stride of an encoder; other sizes are padded to a multiple of it


def pad(batch: torch.Tensor, value: float) -> torch.Tensor:
    """Pad images or masks on the right and at the bottom; a batch whose size already fits is returned unchanged.

    Args:
        batch: Of shape (..., height, width).
        value: What to pad with.

    Example:
        >>> pad(torch.zeros(1, 3, 360, 480), 0.0).shape
        torch.Size([1, 3, 384, 480])
    """
    height, width = batch.shape[-2:]
    if height % DIVISOR == 0 and width % DIVISOR == 0:
        return batch
    return torch.nn.functional.pad(batch, (0, -width % DIVISOR, 0, -height % DIVISOR), value=value)


@MODELS.register_module()
class Normalize(BaseDataPreprocessor):  # type: ignore[misc]
    """Normalises and pads a batch.

    Takes `inputs` (uint8 RGB, NCHW) and, in training, `masks` (uint8, NHW) and perhaps `objects` (int32, NHW: the
    number of each pixel's object); returns float inputs and data samples.
    """

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__(non_blocking=True)
        self.channels_last = False
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalise a batch; masks become MMSegmentation's data samples."""
        data = self.cast_data(data)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        inputs = pad((data["inputs"].float() - self.mean) / self.std, 0.0).contiguous(memory_format=layout)
        samples = None
        if "masks" in data:
            size = tuple(inputs.shape[2:])
            samples = [
                SegDataSample(gt_sem_seg=PixelData(data=mask[None].long()), metainfo={"img_shape": size})
                for mask in pad(data["masks"], IGNORE)
            ]
        if samples is not None and "objects" in data:
            for sample, numbers in zip(samples, pad(data["objects"], 0), strict=True):
                sample.gt_objects = PixelData(data=numbers[None])
        return {"inputs": inputs, "data_samples": samples}
