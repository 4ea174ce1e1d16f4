"""FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
CVPR 2015): one head; the three differ in how many feature maps it reads.

The paper pads images by 100 pixels and crops the scores. Here fc6's input is padded by 3 instead, and nothing is
cropped. The last up-sampling, by 32, 16 or 8, is the bilinear interpolation that every head of MMSegmentation ends
with: in the paper these filters are fixed to bilinear too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

RAMP = (0.25, 0.75, 0.75, 0.25)  # bilinear interpolation by two along one axis

# Keeps the map's size under fc6's 7x7 kernel. Not an argument of the convolution: where a kernel overhangs its map on
# both sides, torch 2.13's bf16 convolutions on CPUs leave the gradients of weights that see only padding unset.
PADDING = (3, 3, 3, 3)


class Doubling(nn.ConvTranspose2d):
    """A learned up-sampling by two, initialised as bilinear interpolation of each class separately."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes, classes, 4, stride=2, padding=1, bias=False)

    def reset_parameters(self) -> None:
        """Called by torch's constructor."""
        ramp, same = torch.tensor(RAMP), torch.eye(self.in_channels)
        with torch.no_grad():
            self.weight.copy_(torch.einsum("io,y,x->ioyx", same, ramp, ramp))


@MODELS.register_module()
class FCNSkipHead(BaseDecodeHead):  # type: ignore[misc]
    """VGG16's fc6 and fc7 as convolutions, then scores, refined from the deepest feature map to the finest.

    At each step the scores are up-sampled by two and the next feature map's scores are added.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, dropout_ratio: float = 0.5, **kwargs: Any) -> None:
        init = {
            "type": "Kaiming",
            "layer": "Conv2d",
            "mode": "fan_in",
            "override": [
                {"type": "Normal", "std": 0.01, "name": "conv_seg"},
                {"type": "Constant", "val": 0, "name": "skips"},  # as in the paper: skips start at zero
            ],
        }
        super().__init__(
            in_channels,
            channels,
            dropout_ratio=dropout_ratio,
            input_transform="multiple_select",
            init_cfg=init,
            **kwargs,
        )
        self.dropout = nn.Dropout(dropout_ratio)  # of single values, as in the paper; MMSegmentation's drops channels
        deepest, *finer = in_channels
        self.fc6 = nn.Conv2d(deepest, channels, 7)
        self.fc7 = nn.Conv2d(channels, channels, 1)
        self.skips = nn.ModuleList(nn.Conv2d(width, self.out_channels, 1) for width in finer)
        self.doublings = nn.ModuleList(Doubling(self.out_channels) for _ in finer)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Scores at the stride of the finest feature map."""
        deepest, *finer = self._transform_inputs(features)
        x = self.dropout(functional.relu(self.fc6(functional.pad(deepest, PADDING))))
        scores: Tensor = self.cls_seg(functional.relu(self.fc7(x)))  # which starts with dropout
        for doubling, skip, feature in zip(self.doublings, self.skips, finer, strict=True):
            scores = doubling(scores) + skip(feature)
        return scores
