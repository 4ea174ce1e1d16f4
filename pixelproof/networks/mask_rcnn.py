"""Mask R-CNN over a feature pyramid, with a branch for what is no object.

He, Gkioxari, Dollár, Girshick, "Mask R-CNN", ICCV 2017: proposed boxes, and for each its class, a better box and a
mask. Beside it the branch of Kirillov, Girshick, He, Dollár, "Panoptic Feature Pyramid Networks", CVPR 2019, gives each
pixel a class: so the network stands in the same tables as those that only do that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from pixelproof.networks.region_heads import pooled
from pixelproof.nn.boxes import truths_of
from pixelproof.nn.detections import Detections, pasted


@MODELS.register_module()
class MaskRCNN(EncoderDecoder):  # type: ignore[misc]
    """A segmentor with heads for objects.

    Args:
        proposals: The config of `RegionProposals`.
        box_head: That of `BoxHead`.
        mask_head: That of `MaskHead`.
        finest: The side of a box that is twice as large as one for the first map, in pixels.
    """

    def __init__(self, proposals: Any, box_head: Any, mask_head: Any, finest: float = 56.0, **others: Any) -> None:
        super().__init__(**others)
        self.proposals = MODELS.build(proposals)
        self.box_head = MODELS.build(box_head)
        self.mask_head = MODELS.build(mask_head)
        self.finest = finest

    def loss(self, inputs: Tensor, data_samples: Sequence[Any]) -> dict[str, Any]:
        """The losses of all heads."""
        maps = self.extract_feat(inputs)
        truths = truths_of(data_samples)
        losses: dict[str, Any] = dict(self._decode_head_forward_train(maps, data_samples))
        proposed, boxes = self.proposals.loss(maps, truths)
        chosen = self.box_head.chosen(boxes, truths)
        losses |= proposed
        losses |= self.box_head.loss(self.features(maps, [boxes for boxes, _ in chosen], 7), chosen, truths)
        objects = [boxes[: len(of)] for boxes, of in chosen]
        losses |= self.mask_head.loss(self.features(maps, objects, 14), chosen, truths)
        return losses

    def features(self, maps: Sequence[Tensor], boxes: Sequence[Tensor], side: int) -> Tensor:
        """The features of the boxes of each image; the last map is for proposals alone."""
        return pooled(maps[:-1], boxes, side, self.finest, self.proposals.strides[:-1])

    def objects(self, maps: Sequence[Tensor], things: Sequence[int]) -> list[Detections]:
        """The objects of each image, the best score first; of `things` alone."""
        stride = self.proposals.strides[0]
        size = (maps[0].shape[2] * stride, maps[0].shape[3] * stride)
        proposals = self.proposals.propose(maps)
        found = self.box_head.detect(self.features(maps, proposals, 7), proposals, size, things)
        boxes = [box for box, _, _ in found]
        classes = torch.cat([each for _, _, each in found])
        masks = self.mask_head(self.features(maps, boxes, 14), classes).sigmoid()
        parts = masks.split([len(box) for box in boxes])
        return [
            Detections(scores, labels, pasted(part, box, size))
            for (box, scores, labels), part in zip(found, parts, strict=True)
        ]
