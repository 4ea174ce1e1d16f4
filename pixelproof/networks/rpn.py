"""Region proposals: where in an image there may be an object, of whatever class.

Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks", NeurIPS 2015, over the
maps of a feature pyramid (Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017): one small network
looks at each cell of each map, and says of a few boxes around it (anchors) how likely each is an object, and how that
lies to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from pixelproof.nn.boxes import Truth, clipped, decoded, encoded, matched, sampled
from pixelproof.nn.suppression import suppress

UNSCALED = (1.0, 1.0, 1.0, 1.0)


@MODELS.register_module()
class RegionProposals(BaseModule):  # type: ignore[misc]
    """The head, its losses, and the boxes it proposes.

    Args:
        in_channels: Of each map of the pyramid.
        strides: Of the maps, in pixels.
        scale: The anchors' side in strides.
        ratios: Their heights per width.
        kept: How many boxes of each map are looked at, and how many of an image are proposed.
        sample: How many anchors of an image are learnt from.
    """

    def __init__(
        self,
        in_channels: int = 256,
        strides: Sequence[int] = (4, 8, 16, 32, 64),
        scale: float = 8.0,
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        kept: tuple[int, int] = (1000, 1000),
        sample: int = 256,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg or {"type": "Normal", "layer": "Conv2d", "std": 0.01})
        self.strides, self.scale, self.ratios, self.kept, self.sample = strides, scale, tuple(ratios), kept, sample
        self.shared = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.objectness = nn.Conv2d(in_channels, len(self.ratios), 1)
        self.offsets = nn.Conv2d(in_channels, 4 * len(self.ratios), 1)

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits of shape (N, anchors) and offsets of shape (N, anchors, 4), for each map."""
        logits, offsets = [], []
        for features in maps:
            hidden = functional.relu(self.shared(features))
            logits.append(self.objectness(hidden).permute(0, 2, 3, 1).flatten(1).float())
            offsets.append(self.offsets(hidden).permute(0, 2, 3, 1).reshape(len(features), -1, 4).float())
        return logits, offsets

    def anchors(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The anchors of each map, cell by cell, of shape (anchors, 4)."""
        found = []
        for features, stride in zip(maps, self.strides, strict=True):
            height, width = features.shape[-2:]
            side = torch.tensor(self.ratios, device=features.device).sqrt()
            half = torch.stack([1 / side, side], 1) * (self.scale * stride / 2)  # of width and height
            y, x = (torch.arange(count, device=features.device) * stride + stride / 2 for count in (height, width))
            centres = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).view(-1, 1, 2)
            found.append(torch.cat([centres - half, centres + half], 2).view(-1, 4))
        return found

    def loss(self, maps: Sequence[Tensor], truths: Sequence[Truth]) -> tuple[dict[str, Tensor], list[Tensor]]:
        """The losses, and the boxes proposed for each image."""
        logits, offsets = self(maps)
        anchors = torch.cat(self.anchors(maps))
        together, shifts = torch.cat(logits, 1), torch.cat(offsets, 1)
        scores, wanted, moved, moves = [], [], [], []
        for image, truth in enumerate(truths):
            kinds, of = matched(anchors, truth, (0.3, 0.7), best=True)
            objects, background = sampled(kinds, self.sample, 0.5)
            scores.append(together[image, torch.cat([objects, background])])
            wanted.append(torch.cat([torch.ones_like(objects), torch.zeros_like(background)]))
            moved.append(shifts[image, objects])
            moves.append(encoded(truth.boxes[of[objects]], anchors[objects], UNSCALED))
        objectness = functional.binary_cross_entropy_with_logits(torch.cat(scores), torch.cat(wanted).float())
        losses = {
            "loss_rpn_objects": objectness,
            "loss_rpn_boxes": box_loss(torch.cat(moved), torch.cat(moves), 1 / 9, sum(map(len, scores))),
        }
        return losses, self.proposed(maps, [each.detach() for each in logits], [each.detach() for each in offsets])

    def propose(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The boxes proposed for each image, the most likely first."""
        return self.proposed(maps, *self(maps))

    def proposed(self, maps: Sequence[Tensor], logits: Sequence[Tensor], offsets: Sequence[Tensor]) -> list[Tensor]:
        """The best boxes of each map that do not overlap better ones, then the best of all maps together."""
        size = (maps[0].shape[2] * self.strides[0], maps[0].shape[3] * self.strides[0])
        anchors, looked_at, most = self.anchors(maps), *self.kept
        found = []
        for image in range(len(maps[0])):
            boxes, scores = [], []
            for level, references in enumerate(anchors):
                best = torch.argsort(logits[level][image], descending=True, stable=True)[:looked_at]
                box = clipped(decoded(offsets[level][image, best], references[best], UNSCALED), size)
                score = logits[level][image, best]
                there = (box[:, 2:] - box[:, :2] >= 1).all(1)
                box, score = box[there], score[there]
                kept = suppress(box, score, 0.7)
                boxes.append(box[kept])
                scores.append(score[kept])
            order = torch.argsort(torch.cat(scores), descending=True, stable=True)[:most]
            found.append(torch.cat(boxes)[order])
        return found


def box_loss(found: Tensor, wanted: Tensor, beta: float, count: int) -> Tensor:
    """Smooth L1: the sum over offsets, per box that was looked at."""
    return functional.smooth_l1_loss(found, wanted, reduction="sum", beta=beta) / max(count, 1)
