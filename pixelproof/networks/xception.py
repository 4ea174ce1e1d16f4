"""The modified aligned Xception-65 of DeepLabV3+ (Chen et al., "Encoder-Decoder with Atrous Separable Convolution for
Semantic Image Segmentation", ECCV 2018, figure 4; after Chollet, "Xception", CVPR 2017).

Deeper than Chollet's: 16 middle blocks; strided separable convolutions in place of max pooling; batch norm and ReLU
after each 3x3 depthwise convolution. The ReLU before each separable convolution is Chollet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

NORM = {"type": "BN"}
CHANNELS = (32, 64, 128, 256, 728, 1024, 1536, 2048)


@MODELS.register_module()
class Xception65(BaseModule):  # type: ignore[misc]
    """Returns two feature maps: stride 4 for the decoder, and the last one at `output_stride`.

    Below an output stride of 32 the last strides are 1, and the layers after each of them have twice the rate.
    """

    def __init__(
        self,
        output_stride: int = 16,
        channels: Sequence[int] = CHANNELS,
        middle_blocks: int = 16,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg or {"type": "Kaiming", "layer": "Conv2d"})
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride: expected 8, 16 or 32, found {output_stride}")
        first, second, low, middle_low, middle, last_block, exits, last = channels
        # By the stride at full subsampling (2, 4, ...): the stride and the rate of the layer that halves that map.
        plan = {s: (2 if s < output_stride else 1, max(1, s // output_stride)) for s in (2, 4, 8, 16, 32)}
        self.stem = nn.Sequential(
            ConvModule(3, first, 3, stride=2, padding=1, norm_cfg=NORM),
            ConvModule(first, second, 3, padding=1, norm_cfg=NORM),
        )
        self.block1 = Block(second, (low, low, low), *plan[2])
        self.block2 = Block(low, (middle_low, middle_low, middle_low), *plan[4])
        self.block3 = Block(middle_low, (middle, middle, middle), *plan[8])
        self.middle = nn.Sequential(
            *(Block(middle, (middle, middle, middle), 1, plan[16][1]) for _ in range(middle_blocks))
        )
        self.block4 = Block(middle, (middle, last_block, last_block), *plan[16])
        widths, rate = (last_block, exits, exits, last), plan[32][1]
        self.exit = nn.Sequential()
        for inputs, outputs in pairwise(widths):
            self.exit.extend([separable(inputs, outputs, 1, rate), nn.ReLU(inplace=True)])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The low-level features, taken before the second block's strided convolution, and the last feature map."""
        x, low = self.block2.with_low(self.block1(self.stem(image)))
        return low, self.exit(self.block4(self.middle(self.block3(x))))


class Block(nn.Module):
    """Three separable convolutions, the last one strided, and a shortcut: a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, channels: tuple[int, int, int], stride: int, rate: int) -> None:
        super().__init__()
        first, second, third = channels
        self.first = separable(inputs, first, 1, rate)
        self.second = separable(first, second, 1, rate)
        self.third = separable(second, third, stride, rate)
        self.shortcut = (
            nn.Identity()
            if inputs == third and stride == 1
            else ConvModule(inputs, third, 1, stride=stride, norm_cfg=NORM, act_cfg=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        return self.with_low(x)[0]

    def with_low(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output, and the features just before its stride."""
        low = functional.relu(self.second(functional.relu(self.first(functional.relu(x)))))
        return self.shortcut(x) + self.third(low), low


def separable(inputs: int, outputs: int, stride: int, rate: int) -> nn.Module:
    """A 3x3 depthwise convolution, batch norm, ReLU; a 1x1 convolution, batch norm."""
    module: nn.Module = DepthwiseSeparableConvModule(
        inputs, outputs, 3, stride=stride, padding=rate, dilation=rate, norm_cfg=NORM, pw_act_cfg=None
    )
    return module
