"""What Mask R-CNN says of each proposed box: its class, a better box, and the object's mask.

He, Gkioxari, Dollár, Girshick, "Mask R-CNN", ICCV 2017. Features come from the map of the pyramid that fits the size of
the box (Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, equation 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from pixelproof.networks.rpn import box_loss
from pixelproof.nn.boxes import Truth, clipped, decoded, encoded, matched, sampled
from pixelproof.nn.regions import Bins, roi_align
from pixelproof.nn.suppression import suppress

CANDIDATES = 2000  # boxes of an image that are compared with each other: as many squared are held in memory
SCALES = (10.0, 10.0, 5.0, 5.0)  # of offsets, which are small after the proposals


def pooled(maps: Sequence[Tensor], boxes: Sequence[Tensor], side: int, finest: float, strides: Sequence[int]) -> Tensor:
    """The features of the boxes of each image, one after another: from the first map those up to a size, and so on.

    Args:
        maps: Of the pyramid.
        boxes: Of each image.
        side: How many bins a region has along each axis.
        finest: The side of a box that is twice as large as one for the first map, in pixels.
        strides: Of the maps.
    """
    images = torch.cat([torch.full((len(each),), image) for image, each in enumerate(boxes)]).to(maps[0].device)
    together = torch.cat(list(boxes))
    sides = (together[:, 2:] - together[:, :2]).clamp(min=0).prod(1).sqrt()
    levels = (sides / finest + 1e-6).log2().floor().clamp(0, len(maps) - 1).long()
    found = maps[0].new_zeros(len(together), maps[0].shape[1], side, side)
    for level, (features, stride) in enumerate(zip(maps, strides, strict=True)):
        here = torch.nonzero(levels == level).flatten()
        values = roi_align(features.to(found.dtype), together[here], images[here], Bins(side, side, 1 / stride))
        found = found.index_copy(0, here, values)
    return found


@MODELS.register_module()
class BoxHead(BaseModule):  # type: ignore[misc]
    """Two fully connected layers; then a class, and an offset for each class.

    Args:
        num_classes: The classes of the data; only those of things have objects.
        in_channels: Of the maps.
        channels: Of the layers.
        sample: How many boxes of an image are learnt from.
        threshold: The score below which a box is dropped.
        most: How many objects of an image are kept.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 256,
        channels: int = 1024,
        sample: int = 512,
        threshold: float = 0.05,
        most: int = 100,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg or {"type": "Xavier", "layer": "Linear", "distribution": "uniform"})
        self.num_classes, self.sample, self.threshold, self.most = num_classes, sample, threshold, most
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(in_channels * 7 * 7, channels), nn.ReLU(), nn.Linear(channels, channels), nn.ReLU()
        )
        self.scores = nn.Linear(channels, num_classes + 1)  # the last is background
        self.offsets = nn.Linear(channels, 4 * num_classes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of shape (R, classes + 1) and offsets of shape (R, classes, 4)."""
        hidden = self.hidden(features)
        return self.scores(hidden).float(), self.offsets(hidden).view(len(features), self.num_classes, 4).float()

    def chosen(self, proposals: Sequence[Tensor], truths: Sequence[Truth]) -> list[tuple[Tensor, Tensor]]:
        """The boxes of each image to learn from, objects first, and the true object of each of these."""
        found = []
        for proposed, truth in zip(proposals, truths, strict=True):
            boxes = torch.cat([proposed, truth.boxes])
            kinds, of = matched(boxes, truth, (0.5, 0.5), best=False)
            objects, background = sampled(kinds, self.sample, 0.25)
            found.append((boxes[torch.cat([objects, background])], of[objects]))
        return found

    def loss(
        self, features: Tensor, chosen: Sequence[tuple[Tensor, Tensor]], truths: Sequence[Truth]
    ) -> dict[str, Tensor]:
        """The losses of the boxes that were chosen, from their features."""
        logits, offsets = self(features)
        wanted, rows, moves, start = [], [], [], 0
        for (boxes, of), truth in zip(chosen, truths, strict=True):
            background = torch.full((len(boxes) - len(of),), self.num_classes, device=boxes.device)
            wanted.append(torch.cat([truth.classes[of], background]))
            rows.append(torch.arange(start, start + len(of), device=boxes.device))
            moves.append(encoded(truth.boxes[of], boxes[: len(of)], SCALES))
            start += len(boxes)
        labels, at = torch.cat(wanted), torch.cat(rows)
        moved = offsets[at, labels[at]]
        return {
            "loss_box_class": functional.cross_entropy(logits, labels),
            "loss_box_offset": box_loss(moved, torch.cat(moves), 1.0, start),
        }

    def detect(
        self, features: Tensor, proposals: Sequence[Tensor], size: tuple[int, int], things: Sequence[int]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Boxes, scores and classes of the objects of each image, the best score first; of some classes alone."""
        logits, offsets = self(features)
        are_things = torch.zeros(self.num_classes, dtype=torch.bool, device=logits.device)
        are_things[list(things)] = True
        found, start = [], 0
        for boxes in proposals:
            rows = slice(start, start + len(boxes))
            start += len(boxes)
            scores = logits[rows].softmax(1)[:, :-1]
            of, classes = torch.nonzero((scores > self.threshold) & are_things).unbind(1)
            moved = clipped(decoded(offsets[rows][of, classes], boxes[of], SCALES), size)
            there = (moved[:, 2:] > moved[:, :2]).all(1)
            of, classes, moved = of[there], classes[there], moved[there]
            best = torch.argsort(scores[of, classes], descending=True, stable=True)[:CANDIDATES]
            of, classes, moved = of[best], classes[best], moved[best]
            kept = suppress(moved, scores[of, classes], 0.5, classes)[: self.most]
            found.append((moved[kept], scores[of, classes][kept], classes[kept]))
        return found


@MODELS.register_module()
class MaskHead(BaseModule):  # type: ignore[misc]
    """Four convolutions, one that doubles the size, and a mask of 28x28 for each class."""

    def __init__(
        self, num_classes: int, in_channels: int = 256, channels: int = 256, layers: int = 4, init_cfg: Any = None
    ) -> None:
        super().__init__(init_cfg or {"type": "Kaiming", "layer": ["Conv2d", "ConvTranspose2d"]})
        widths = [in_channels, *[channels] * layers]
        convolutions = [
            nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()) for inputs, outputs in pairwise(widths)
        ]
        self.layers = nn.Sequential(*convolutions, nn.ConvTranspose2d(channels, channels, 2, stride=2), nn.ReLU())
        self.masks = nn.Conv2d(channels, num_classes, 1)

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """The logits of the mask of each region's class, of shape (R, 28, 28)."""
        logits = self.masks(self.layers(features)).float()
        chosen: Tensor = logits[torch.arange(len(classes), device=classes.device), classes]
        return chosen

    def loss(
        self, features: Tensor, chosen: Sequence[tuple[Tensor, Tensor]], truths: Sequence[Truth]
    ) -> dict[str, Tensor]:
        """The binary cross-entropy of the masks of boxes that are objects, from their features."""
        objects = [(boxes[: len(of)], of, truth) for (boxes, of), truth in zip(chosen, truths, strict=True)]
        classes = torch.cat([truth.classes[of] for _, of, truth in objects])
        if not len(classes):
            return {"loss_mask": sum(parameter.sum() for parameter in self.parameters()) * 0.0}
        wanted = torch.cat([self.cut_out(truth.masks[of], boxes) for boxes, of, truth in objects])
        return {"loss_mask": functional.binary_cross_entropy_with_logits(self(features, classes), wanted)}

    @staticmethod
    def cut_out(masks: Tensor, boxes: Tensor) -> Tensor:
        """The part of each mask in its box, at the size of the head's masks."""
        numbers = torch.arange(len(boxes), device=boxes.device)
        values = roi_align(masks[:, None].float(), boxes, numbers, Bins(28, 28, 1.0, samples=0))
        return (values[:, 0] >= 0.5).float()
