"""What SegNet (2017) and DeconvNet (2015) share: max-pooling indices, and a decoder that un-pools with them.

The encoder stores the positions of its maxima; the decoder mirrors it and puts values back at these positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from pixelproof.networks.vgg import VGG16, unpool


@MODELS.register_module()
class PoolingVGG16(VGG16):
    """Returns the last stage's pooled feature map and, after it, the max-pooling indices of each stage."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """One feature map, then one map of indices per stage."""
        x, indices = self.pool_with_indices(image)
        return (x, *indices)


class UnpoolHead(BaseDecodeHead):  # type: ignore[misc]
    """From an encoder's last feature map back through its stages: un-pool, then that stage's mirror.

    `stages` are in the encoder's order; `middle` lies between encoder and decoder.
    """

    def __init__(
        self, inputs: int, middle: nn.Module, stages: Sequence[nn.Module], channels: int, **kwargs: Any
    ) -> None:
        # The classifier too, as SegNet's authors do: from MMSegmentation's small initial weights training gets stuck.
        init = {"type": "Kaiming", "layer": ["Conv2d", "ConvTranspose2d"], "mode": "fan_in"}
        super().__init__(inputs, channels, dropout_ratio=0.0, init_cfg=init, **kwargs)
        self.middle = middle
        self.stages = nn.ModuleList(stages)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Scores at the size of the image."""
        x, *indices = features
        x = self.middle(x)
        for stage, index in zip(reversed(self.stages), reversed(indices), strict=True):
            x = stage(unpool(x, index, 2 * x.shape[2], 2 * x.shape[3]))
        scores: Tensor = self.cls_seg(x)
        return scores


def mirrored_widths(widths: Sequence[int]) -> list[tuple[int, int]]:
    """The input and output channels of each stage's mirror; that of the first stage keeps its width.

    Example:
        >>> mirrored_widths([64, 128, 256])
        [(64, 64), (128, 64), (256, 128)]
    """
    return list(zip(widths, [widths[0], *widths[:-1]], strict=True))
