"""SegNet and SegNet-Basic (Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder
Architecture for Image Segmentation", IEEE TPAMI 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS
from torch import nn

from pixelproof.networks.unpooling import PoolingVGG16, UnpoolHead, mirrored_widths
from pixelproof.networks.vgg import CHANNELS, CONVOLUTIONS, convolution_stage


@MODELS.register_module()
class SegNetHead(UnpoolHead):
    """The mirror of VGG16: as many 3x3 convolutions with batch norm and ReLU; the last gives the classes."""

    def __init__(
        self, widths: Sequence[int] = CHANNELS, convolutions: Sequence[int] = CONVOLUTIONS, **kwargs: Any
    ) -> None:
        stages = [
            nn.Sequential(*mirrored(wide, narrow, count, last=number == 0))
            for number, ((wide, narrow), count) in enumerate(zip(mirrored_widths(widths), convolutions, strict=True))
        ]
        super().__init__(widths[-1], nn.Identity(), stages, channels=widths[0], **kwargs)
        self.conv_seg = nn.Conv2d(widths[0], self.out_channels, 3, padding=1)


def mirrored(wide: int, narrow: int, count: int, last: bool) -> list[nn.Module]:
    """`count` convolutions, the last of them to fewer channels; in the `last` stage `conv_seg` replaces that one."""
    layers = list(convolution_stage(wide, wide, count - 1, norm=True, dropout=0.0))
    return layers if last else [*layers, *convolution_stage(wide, narrow, 1, norm=True, dropout=0.0)]


@MODELS.register_module()
class SegNetBasicEncoder(PoolingVGG16):
    """Four stages of one 7x7 convolution each, all of the same width, with batch norm and ReLU."""

    def __init__(self, width: int = 64, levels: int = 4, kernel: int = 7) -> None:
        super().__init__(channels=(), convolutions=())
        self.stages = nn.ModuleList(
            nn.Sequential(same_convolution(inputs, width, kernel), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
            for inputs in [3] + [width] * (levels - 1)
        )


@MODELS.register_module()
class SegNetBasicHead(UnpoolHead):
    """One 7x7 convolution per stage with batch norm, without ReLU as in the paper; a 1x1 one gives the classes."""

    def __init__(self, width: int = 64, levels: int = 4, kernel: int = 7, **kwargs: Any) -> None:
        stages = [nn.Sequential(same_convolution(width, width, kernel), nn.BatchNorm2d(width)) for _ in range(levels)]
        super().__init__(width, nn.Identity(), stages, channels=width, **kwargs)


def same_convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """A convolution without bias that keeps the size of its input."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
