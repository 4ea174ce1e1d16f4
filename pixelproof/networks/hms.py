"""Hierarchical multi-scale attention (Tao, Sapra and Catanzaro, "Hierarchical Multi-Scale Attention for Semantic
Segmentation", 2020) over OCRNet.

The network sees an image at several scales. At each scale it predicts the classes and, for each pixel, the weight of
this scale relative to the next larger one. Training uses only two scales; since the attention relates each scale to the
next, prediction can chain more.

In training, each scale's own logits also have a loss, with a small weight. It is not in the paper but in the authors'
code (github.com/NVIDIA/semantic-segmentation), whose best Cityscapes recipe uses 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.ocr_head import OCRHead
from mmseg.models.segmentors import CascadeEncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor, nn
from torch.nn import functional


@MODELS.register_module()
class ScaleAttentionOCRHead(OCRHead):  # type: ignore[misc]
    """An OCR head that also predicts, from the OCR features, its scale's attention relative to the next."""

    def __init__(self, attention_channels: int = 256, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        convolution = {"kernel_size": 3, "padding": 1, "norm_cfg": self.norm_cfg, "act_cfg": self.act_cfg}
        self.attention = nn.Sequential(
            ConvModule(self.channels, attention_channels, **convolution),
            ConvModule(attention_channels, attention_channels, **convolution),
            nn.Conv2d(attention_channels, 1, 1),
        )

    def with_attention(self, inputs: Sequence[Tensor], coarse: Tensor) -> tuple[Tensor, Tensor]:
        """The logits, and the attention in 0..1."""
        features = self.bottleneck(self._transform_inputs(inputs))
        features = self.object_context_block(features, self.spatial_gather_module(features, coarse))
        return self.cls_seg(features), self.attention(features).sigmoid()


@MODELS.register_module()
class HierarchicalMultiScale(CascadeEncoderDecoder):  # type: ignore[misc]
    """OCRNet at several scales, merged by attention from the largest to the smallest."""

    def __init__(
        self, train_scales: Sequence[float], scales: Sequence[float], scale_weight: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.train_scales, self.scales, self.scale_weight = train_scales, scales, scale_weight

    def loss(self, inputs: Tensor, data_samples: list[Any]) -> dict[str, Tensor]:
        """The loss of each head on its merged logits, and `scale_weight` times that of each training scale alone."""
        found = self.at_scales(inputs, self.train_scales)
        coarse, fine = merged(found)
        losses = {
            **add_prefix(self.decode_head[0].loss_by_feat(coarse, data_samples), "decode_0"),
            **add_prefix(self.decode_head[1].loss_by_feat(fine, data_samples), "decode_1"),
        }
        for scale, (both, _) in found.items() if self.scale_weight else ():
            alone = self.decode_head[1].loss_by_feat(both.chunk(2, dim=1)[1], data_samples)
            weighed = {name: self.scale_weight * value for name, value in alone.items() if "loss" in name}
            losses |= add_prefix(weighed, f"scale_{scale:g}")
        return losses

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict[str, Any]]) -> Tensor:
        """The logits merged over the prediction scales, at the size of the image."""
        logits: Tensor = self.decode_head[1].predict_by_feat(self._forward(inputs), batch_img_metas)
        return logits

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        return merged(self.at_scales(inputs, self.scales))[1]

    def attention_maps(self, inputs: Tensor) -> dict[float, Tensor]:
        """The attention of each scale but the largest, in 0..1 and at the size of the images: (N, 1, height, width)."""
        return {scale: resized(self.at_scale(inputs, scale)[1], inputs.shape[2:]) for scale in sorted(self.scales)[:-1]}

    def at_scales(self, inputs: Tensor, scales: Sequence[float]) -> dict[float, tuple[Tensor, Tensor]]:
        """`at_scale` for each scale, the largest first."""
        return {scale: self.at_scale(inputs, scale) for scale in sorted(scales, reverse=True)}

    def at_scale(self, inputs: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """The logits of both heads (concatenated as channels) and the attention, for images resized by `scale`."""
        height, width = inputs.shape[2:]
        features = self.extract_feat(resized(inputs, (round(height * scale), round(width * scale))))
        coarse = self.decode_head[0](features)
        fine, attention = self.decode_head[1].with_attention(features, coarse)
        return torch.cat([coarse, fine], dim=1), attention


def merged(found: dict[float, tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The coarse and the OCR logits, each merged over the scales.

    Args:
        found: `at_scale` of each scale, the largest first.
    """
    (_, (logits, _)), *others = found.items()
    for scale, (lower, attention) in others:
        # A scale below 1 is resized up to the larger ones; for a scale of 1 or more, they are resized down to it.
        logits = merge(lower, attention, logits, (logits if scale < 1 else lower).shape[2:])
    coarse, fine = logits.chunk(2, dim=1)
    return coarse, fine


def merge(lower: Tensor, attention: Tensor, higher: Tensor, size: Sequence[int]) -> Tensor:
    """The logits of two scales, merged by the attention of the lower one (the paper's equation 1), at a given size."""
    return resized(attention * lower, size) + (1 - resized(attention, size)) * resized(higher, size)


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear interpolation; a map that already has the size is returned unchanged."""
    if x.shape[2:] == torch.Size(size):
        return x
    return functional.interpolate(x, tuple(size), mode="bilinear", align_corners=False)
