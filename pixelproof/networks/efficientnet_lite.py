"""EfficientNet-Lite 0 to 2 as encoders: EfficientNet (Tan and Le, "EfficientNet: Rethinking Model Scaling for
Convolutional Neural Networks", ICML 2019) as its authors changed it for phones: no squeeze-and-excitation, ReLU6 in
place of Swish, and a stem that keeps its width in the larger variants.

The layers compute what TensorFlow's do, so that its published weights fit: batch norm with epsilon 0.001, and strides
that pad as `SAME` does, for even sizes more on the right and at the bottom than on the left and at the top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

# EfficientNet-B0, table 1 of the paper: how much the blocks of a stage expand, their output channels, how many there
# are, the stride of the first, and the size of the depthwise kernel.
STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5))
LAST = (6, 320, 1, 1, 3)
STEM = 32
SCALING = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))  # of width and depth, by variant
MAPS = (0, 1, 2, 4, 6)  # the last stage at each stride from 2 to 32
NORM = {"type": "BN", "eps": 1e-3}


@MODELS.register_module()
class EfficientNetLite(BaseModule):  # type: ignore[misc]
    """Returns the feature maps of strides 2, 4, 8, 16 and 32, or those of them in `out_indices`.

    With an output stride of 16 or 8 the last strides are 1, and the layers after each of them have twice the rate.
    """

    def __init__(
        self,
        variant: int = 0,
        output_stride: int = 32,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        norm_cfg: Any = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg or {"type": "Kaiming", "layer": "Conv2d"})
        if variant not in range(len(SCALING)):
            raise ValueError(f"variant: expected 0, 1 or 2, found {variant}")
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride: expected 8, 16 or 32, found {output_stride}")
        self.taken = [MAPS[index] for index in out_indices]
        norm = norm_cfg or NORM
        self.stem = convolution(3, STEM, norm, kernel=3, stride=2)
        self.stages = nn.ModuleList()
        width, total, rate = STEM, 2, 1
        for expansion, outputs, blocks, stride, kernel in scaled(variant):
            total *= stride
            kept = stride if total <= output_stride else 1
            spacing = [(kept, rate)]
            rate *= stride // kept
            spacing += [(1, rate)] * (blocks - 1)
            widths = [width, *[outputs] * (blocks - 1)]
            self.stages.append(
                nn.Sequential(
                    *(InvertedResidual(widths[i], outputs, expansion, kernel, spacing[i], norm) for i in range(blocks))
                )
            )
            width = outputs

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The feature maps, the largest first."""
        features, x = [], self.stem(image)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features[index] for index in self.taken)


def scaled(variant: int) -> list[tuple[int, int, int, int, int]]:
    """The stages of a variant: widths in multiples of 8, at most a tenth below the exact ones.

    The first and the last stage keep their one block.

    Example:
        >>> [channels for _, channels, *_ in scaled(2)], [blocks for _, _, blocks, *_ in scaled(2)]
        ([16, 24, 48, 88, 120, 208, 352], [1, 3, 3, 4, 4, 5, 1])
    """
    width, depth = SCALING[variant]
    rows = []
    for number, (expansion, channels, blocks, stride, kernel) in enumerate((*STAGES, LAST)):
        exact = channels * width
        rounded = max(8, int(exact + 4) // 8 * 8)
        rounded += 8 if rounded < 0.9 * exact else 0
        count = math.ceil(blocks * depth) if 0 < number < len(STAGES) else blocks
        rows.append((expansion, rounded, count, stride, kernel))
    return rows


class InvertedResidual(nn.Module):
    """A 1x1 convolution that expands, a depthwise one, a 1x1 one that projects, and a shortcut if the shape stays.

    `spacing` is the stride and the rate of the depthwise convolution.
    """

    def __init__(
        self, inputs: int, outputs: int, expansion: int, kernel: int, spacing: tuple[int, int], norm: Any
    ) -> None:
        super().__init__()
        wide, (stride, rate) = inputs * expansion, spacing
        self.expand = convolution(inputs, wide, norm) if expansion > 1 else nn.Identity()
        self.depthwise = convolution(wide, wide, norm, kernel, stride, rate=rate, groups=wide)
        self.project = convolution(wide, outputs, norm, act=False)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


def convolution(
    inputs: int,
    outputs: int,
    norm: Any,
    kernel: int = 1,
    stride: int = 1,
    rate: int = 1,
    groups: int = 1,
    act: bool = True,
) -> nn.Module:
    """A convolution padded as TensorFlow's `SAME`, its batch norm, and a ReLU6."""
    # Without a stride the padding is the same on all sides, and torch's own needs no copy of the input.
    same = {"conv_cfg": {"type": "Conv2dAdaptivePadding"}} if stride > 1 else {"padding": rate * (kernel // 2)}
    act_cfg = {"type": "ReLU6"} if act else None
    module: nn.Module = ConvModule(
        inputs, outputs, kernel, stride, dilation=rate, groups=groups, norm_cfg=norm, act_cfg=act_cfg, **same
    )
    return module
