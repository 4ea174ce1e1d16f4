"""DeconvNet (Noh, Hong and Han, "Learning Deconvolution Network for Semantic Segmentation", ICCV 2015).

The paper's images are 224x224, and its 7x7 convolution fc6 turns their 7x7 feature map into a vector. Here fc6's input
is padded and the output of its mirror is cropped: with the paper's parameters, images of any multiple of 32 then fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS
from torch import nn

from pixelproof.networks.unpooling import UnpoolHead, mirrored_widths
from pixelproof.networks.vgg import CHANNELS, CONVOLUTIONS


@MODELS.register_module()
class DeconvNetHead(UnpoolHead):
    """fc6, fc7 and fc6's mirror, then VGG16 mirrored in deconvolutions, and a 1x1 convolution to the classes.

    Batch norm and ReLU follow every layer but the last.
    """

    def __init__(
        self,
        widths: Sequence[int] = CHANNELS,
        convolutions: Sequence[int] = CONVOLUTIONS,
        hidden: int = 4096,
        **kwargs: Any,
    ) -> None:
        stages = [
            deconvolution_stage(wide, narrow, count)
            for (wide, narrow), count in zip(mirrored_widths(widths), convolutions, strict=True)
        ]
        super().__init__(widths[-1], fully_connected(widths[-1], hidden), stages, channels=widths[0], **kwargs)


def fully_connected(width: int, hidden: int) -> nn.Sequential:
    """fc6, fc7 and deconv-fc6, which together keep the size of their input.

    Padding and cropping are layers of their own: where a kernel overhangs its map on both sides, torch 2.13's bf16
    convolutions on CPUs leave the gradients of weights that see only padding unset.
    """
    return nn.Sequential(
        nn.ZeroPad2d(3),
        nn.Conv2d(width, hidden, 7, bias=False),
        *norm_and_relu(hidden),
        nn.Conv2d(hidden, hidden, 1, bias=False),
        *norm_and_relu(hidden),
        nn.ConvTranspose2d(hidden, width, 7, bias=False),
        nn.ZeroPad2d(-3),
        *norm_and_relu(width),
    )


def deconvolution_stage(wide: int, narrow: int, count: int) -> nn.Sequential:
    """`count` 3x3 deconvolutions, the last of them to fewer channels."""
    layers: list[nn.Module] = []
    for outputs in [wide] * (count - 1) + [narrow]:
        layers += [nn.ConvTranspose2d(wide, outputs, 3, padding=1, bias=False), *norm_and_relu(outputs)]
    return nn.Sequential(*layers)


def norm_and_relu(channels: int) -> tuple[nn.Module, nn.Module]:
    """What follows each convolution and deconvolution."""
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
