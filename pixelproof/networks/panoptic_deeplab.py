"""Panoptic-DeepLab: a class for each pixel, and a centre for each object to which its pixels point.

Cheng, Collins, Zhu, Liu, Huang, Adam, Chen, "Panoptic-DeepLab: A Simple, Strong, and Fast Baseline for Bottom-Up
Panoptic Segmentation", CVPR 2020. Two decoders, each with its own spatial pyramid of dilated convolutions (ASPP) over
the last map of the encoder, and its own way back up over the maps of strides 8 and 4: one for classes, a slimmer one
for objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPModule
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

from pixelproof.nn.boxes import truths_of
from pixelproof.nn.detections import Detections
from pixelproof.nn.grouping import grouped, targets

CENTRE, OFFSET = 200.0, 0.01  # weights of the losses, section 4


class Decoder(BaseModule):  # type: ignore[misc]
    """ASPP, then up to the maps of strides 8 and 4, each projected to a few channels and fused by a 5x5 convolution.

    Args:
        inputs: The channels of the maps of strides 4, 8 and 16.
        pyramid: The channels of ASPP.
        skips: Those that the maps of strides 4 and 8 are projected to.
        channels: Of the output.
        rates: Of ASPP's dilated convolutions.
        norm: The config of normalisation.
    """

    def __init__(
        self, inputs: Sequence[int], pyramid: int, skips: Sequence[int], channels: int, rates: Sequence[int], norm: Any
    ) -> None:
        super().__init__()
        convolution = {"conv_cfg": None, "norm_cfg": norm, "act_cfg": {"type": "ReLU"}}
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvModule(inputs[2], pyramid, 1, **convolution))
        self.pyramid = DepthwiseSeparableASPPModule(
            dilations=(1, *rates), in_channels=inputs[2], channels=pyramid, **convolution
        )
        self.project = ConvModule((len(rates) + 2) * pyramid, pyramid, 1, **convolution)
        self.skips = nn.ModuleList([ConvModule(inputs[1 - i], skips[1 - i], 1, **convolution) for i in range(2)])
        self.fuse = nn.ModuleList(
            DepthwiseSeparableConvModule(before + skip, channels, 5, padding=2, norm_cfg=norm)
            for before, skip in ((pyramid, skips[1]), (channels, skips[0]))
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The features at the stride of the first map."""
        last = maps[2]
        pooled = resize(self.pool(last), size=last.shape[2:], mode="bilinear", align_corners=False)
        x: Tensor = self.project(torch.cat([pooled, *self.pyramid(last)], 1))
        for skip, fuse, features in zip(self.skips, self.fuse, (maps[1], maps[0]), strict=True):
            x = resize(x, size=features.shape[2:], mode="bilinear", align_corners=False)
            x = fuse(torch.cat([x, skip(features)], 1))
        return x


@MODELS.register_module()
class PanopticHead(BaseDecodeHead):  # type: ignore[misc]
    """Both decoders, and what they say: logits of classes, the heatmap of centres, and the way to them.

    Args:
        rates: Of ASPP's dilated convolutions.
        skips: The channels that the maps of strides 4 and 8 are projected to, for classes and for objects.
        objects: The channels of the decoder for objects.
        hidden: The channels before the heatmap and before the offsets.
        sigma: The spread of a centre, in pixels.
        window: In which a centre is the highest place.
        above: The height above which there is a centre.
    """

    def __init__(
        self,
        rates: Sequence[int] = (6, 12, 18),
        skips: Sequence[Sequence[int]] = ((32, 64), (16, 32)),
        objects: int = 128,
        hidden: int = 32,
        sigma: float = 8.0,
        window: int = 7,
        above: float = 0.1,
        **others: Any,
    ) -> None:
        super().__init__(input_transform="multiple_select", **others)
        self.sigma, self.window, self.above = sigma, window, above
        norm, pyramid = self.norm_cfg, self.channels
        self.classes_decoder = Decoder(self.in_channels, pyramid, skips[0], self.channels, rates, norm)
        self.objects_decoder = Decoder(self.in_channels, pyramid, skips[1], objects, rates, norm)
        self.last = DepthwiseSeparableConvModule(self.channels, self.channels, 5, padding=2, norm_cfg=norm)
        self.centre, self.offset = (
            nn.Sequential(
                DepthwiseSeparableConvModule(objects, hidden, 5, padding=2, norm_cfg=norm), nn.Conv2d(hidden, count, 1)
            )
            for count in (1, 2)
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """The logits of classes, at the stride of the first map."""
        maps = self._transform_inputs(inputs)
        logits: Tensor = self.cls_seg(self.last(self.classes_decoder(maps)))
        return logits

    def places(self, inputs: Sequence[Tensor], size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The heatmap (N, height, width) and the ways to centres (N, 2, height, width), at the size of the image."""
        features = self.objects_decoder(self._transform_inputs(inputs))
        heat, ways = (
            resize(part(features).float(), size=tuple(size), mode="bilinear", align_corners=False)
            for part in (self.centre, self.offset)
        )
        stride = size[0] / features.shape[2]
        return heat[:, 0], ways * stride

    def loss(self, inputs: Sequence[Tensor], batch_data_samples: Sequence[Any], train_cfg: Any) -> dict[str, Tensor]:
        """The losses of classes, as params name them, of the heatmap, and of the ways."""
        losses: dict[str, Tensor] = self.loss_by_feat(self(inputs), batch_data_samples)
        size = batch_data_samples[0].gt_sem_seg.data.shape[-2:]
        heat, ways = self.places(inputs, size)
        truths = truths_of(batch_data_samples)
        wanted, towards, inside = (
            torch.stack(each) for each in zip(*(targets(truth, self.sigma) for truth in truths), strict=True)
        )
        known = ~torch.stack([truth.ignored for truth in truths])
        squares = (heat - wanted).square() * known
        apart = (ways - towards).abs().sum(1) * inside
        losses["loss_centre"] = CENTRE * squares.sum() / known.sum().clamp(min=1)
        losses["loss_offset"] = OFFSET * apart.sum() / inside.sum().clamp(min=1)
        return losses


@MODELS.register_module()
class PanopticDeepLab(EncoderDecoder):  # type: ignore[misc]
    """A segmentor whose head finds objects too."""

    def objects(self, maps: Sequence[Tensor], things: Sequence[int]) -> list[Detections]:
        """The objects of each image, the best score first; they do not overlap."""
        head, stride = self.decode_head, 4
        size = (maps[0].shape[2] * stride, maps[0].shape[3] * stride)
        logits = resize(head(maps).float(), size=size, mode="bilinear", align_corners=False)
        heat, ways = head.places(maps, size)
        return [
            grouped(logits[image].softmax(0), heat[image], ways[image], things, head.window, head.above)
            for image in range(len(logits))
        ]
