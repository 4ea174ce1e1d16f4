"""VGG16 (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015).

The thirteen convolutions in five stages, as an encoder without the classifier. Batch norm and dropout are optional, and
the max-pooling indices are available to decoders that un-pool with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)


@MODELS.register_module()
class VGG16(BaseModule):  # type: ignore[misc]
    """Returns the feature map of each stage: before its pooling (strides 1 to 16), or after it (2 to 32)."""

    def __init__(
        self,
        channels: Sequence[int] = CHANNELS,
        convolutions: Sequence[int] = CONVOLUTIONS,
        norm: bool = False,
        dropout: float = 0.0,
        pooled: bool = False,
        init_cfg: Any = None,
    ) -> None:
        kaiming = {"type": "Kaiming", "layer": "Conv2d", "mode": "fan_in"}
        super().__init__(init_cfg or kaiming)
        self.pooled = pooled
        widths = [3, *channels]
        self.stages = nn.ModuleList(
            convolution_stage(widths[i], widths[i + 1], count, norm, dropout) for i, count in enumerate(convolutions)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The feature map of each stage."""
        features, x = [], image
        for stage in self.stages:
            full = stage(x)
            x = functional.max_pool2d(full, 2)
            features.append(x if self.pooled else full)
        return tuple(features)

    def pool_with_indices(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last stage's pooled feature map, and for each stage the position of each maximum in its plane."""
        indices, x = [], image
        for stage in self.stages:
            x, index = functional.max_pool2d(stage(x), 2, return_indices=True)
            indices.append(index)
        return x, indices


def convolution_stage(inputs: int, outputs: int, count: int, norm: bool, dropout: float) -> nn.Sequential:
    """`count` 3x3 convolutions, each with optional batch norm and a ReLU; then optional dropout."""
    layers: list[nn.Module] = []
    for number in range(count):
        layers.append(nn.Conv2d(inputs if number == 0 else outputs, outputs, 3, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(outputs)] if norm else []
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers, *([nn.Dropout2d(dropout)] if dropout else []))


def unpool(x: Tensor, indices: Tensor, height: int, width: int) -> Tensor:
    """Put each value back where its maximum was, with zeros elsewhere.

    The same numbers as `max_unpool2d`, but as a scatter, whose gradient is a gather: unlike `max_unpool2d` it has a
    deterministic form on CUDA.

    Args:
        x: Feature maps (NCHW).
        indices: The positions of the maxima in their planes, of the shape of `x`.
        height: Of the result.
        width: Of the result.

    Example:
        >>> pooled, indices = functional.max_pool2d(torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2, return_indices=True)
        >>> unpool(pooled, indices, 2, 2)
        tensor([[[[0., 0.],
                  [4., 0.]]]])
    """
    batch, channels = x.shape[:2]
    plane = torch.zeros(batch, channels, height * width, dtype=x.dtype, device=x.device)
    return plane.scatter(2, indices.flatten(2), x.flatten(2)).view(batch, channels, height, width)
