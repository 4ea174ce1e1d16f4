"""U-Net's expansive path (Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015), over any encoder whose feature maps each have half the size of the one before.

With the paper's own contracting path this is the paper's network, except that the 3x3 convolutions are padded: the
skips need no cropping, and the logits have the size of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Literal

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

Upsample = Literal["transposed", "bilinear"]
Skips = Literal["concatenate", "sum"]

# The paper's section 3: Gaussian, with standard deviation sqrt(2 / N) for N incoming nodes.
INIT = {"type": "Kaiming", "layer": ["Conv2d", "ConvTranspose2d"], "mode": "fan_in"}


@MODELS.register_module()
class UNetHead(BaseDecodeHead):  # type: ignore[misc]
    """Doubles the resolution once per entry of `widths`.

    If the encoder has too few feature maps (a stem of stride 2), the last blocks have no skip.

    `skips` says how an encoder's map meets the up-sampled one: concatenated as in the paper, or added to it, as in
    LinkNet (Chaurasia and Culurciello, VCIP 2017). To be added, a map of other width first passes a 1x1 convolution, as
    in feature pyramid networks (Lin et al., CVPR 2017).

    `dropout` applies where the paper has it, at the end of the contracting path: to the deepest feature map. (The
    network that the authors released also applies it to the level above, before its pooling.)
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        widths: Sequence[int],
        upsample: Upsample = "transposed",
        skips: Skips = "concatenate",
        dropout: float = 0.0,
        init_cfg: Any = None,
        **head: Any,
    ) -> None:
        maps = len(in_channels)
        if len(widths) < maps - 1:
            raise ValueError(f"{maps} feature maps need {maps - 1} widths or more, not {list(widths)}")
        super().__init__(
            in_channels,
            widths[-1],
            in_index=tuple(range(maps)),
            input_transform="multiple_select",
            dropout_ratio=0.0,
            init_cfg=init_cfg or INIT,
            **head,
        )
        self.deepest = nn.Dropout(dropout)
        inputs = [in_channels[-1], *widths[:-1]]
        passed = [*reversed(in_channels[:-1]), *[0] * len(widths)]  # without a skip: no channels
        self.blocks = nn.ModuleList(
            UpBlock((inputs[i], passed[i], width), upsample, skips, self.norm_cfg) for i, width in enumerate(widths)
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits from the feature maps of all levels, the largest first."""
        *skips, x = self._transform_inputs(inputs)
        x = self.deepest(x)
        for block, skip in zip_longest(self.blocks, reversed(skips)):
            x = block(x, skip)
        logits: Tensor = self.cls_seg(x)
        return logits


class UpBlock(nn.Module):
    """One level up: double the size, concatenate or add the skip if there is one, then two 3x3 convolutions.

    `widths` are the channels of the input, of the skip, and of the output.
    """

    def __init__(self, widths: tuple[int, int, int], upsample: Upsample, skips: Skips, norm_cfg: Any) -> None:
        super().__init__()
        inputs, skip, outputs = widths
        if upsample == "transposed":  # the paper's up-convolution, which also reduces the channels
            self.up: nn.Module = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
            inputs = outputs
        else:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.added = skips == "sum"
        self.fit: nn.Module = nn.Identity()
        if self.added and skip not in (0, inputs):
            self.fit = nn.Conv2d(skip, inputs, 1)
        self.convolve = nn.Sequential(
            ConvModule(inputs if self.added else inputs + skip, outputs, 3, padding=1, norm_cfg=norm_cfg),
            ConvModule(outputs, outputs, 3, padding=1, norm_cfg=norm_cfg),
        )

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """`x` at twice its size, combined with the skip."""
        x = self.up(x)
        if skip is not None:
            x = x + self.fit(skip) if self.added else torch.cat([skip, x], dim=1)
        out: Tensor = self.convolve(x)
        return out
