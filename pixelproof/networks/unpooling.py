"""What SegNet (2017) and DeconvNet (2015) share: an encoder that remembers where each maximum stood, and a decoder that
mirrors it and puts values back there.
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
    """Gives the last stage's pooled map and, after it, the positions of the maxima of each stage."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """One feature map, then as many maps of positions as there are stages."""
        x, indices = self.pool_with_indices(image)
        return (x, *indices)


class UnpoolHead(BaseDecodeHead):  # type: ignore[misc]
    """From an encoder's last map back through its stages: un-pool, then that stage's mirror. `stages` has the encoder's
    order; `middle` stands between the two halves."""

    def __init__(
        self, inputs: int, middle: nn.Module, stages: Sequence[nn.Module], channels: int, **kwargs: Any
    ) -> None:
        # The classes' weights too, as SegNet's authors have it: from MMSegmentation's small ones training stays stuck.
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
    """What each stage's mirror takes and gives; the first stage's stays as wide as it is."""
    return list(zip(widths, [widths[0], *widths[:-1]], strict=True))
