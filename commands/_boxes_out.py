"""Mask R-CNN as one graph: what its `objects` does image by image, for a whole batch, with as many boxes for each.

The heads' layers are called one by one, as their `forward` takes the length of a batch, which would then be fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from commands._object_outputs import ObjectOutputs, Output
from commands._region_operators import TRANSLATIONS, keep, regions
from pixelproof.networks.region_heads import SCALES
from pixelproof.networks.rpn import UNSCALED
from pixelproof.nn.boxes import clipped, decoded

Found = tuple[Tensor, Tensor, Tensor, Tensor]
SIDE, OVERLAP = 28, 0.5  # of masks, in cells; the IoU above which a box is dropped, as in `BoxHead.detect`
LINES = """\
def weights(first, last, pixels):  # of each cell of a mask at each pixel along one axis
    at = (np.arange(pixels)[:, None] + 0.5 - first) / (last - first)
    return np.clip(1 - abs(np.clip({side} * at - 0.5, 0, {side} - 1) - np.arange({side})), 0, 1) * ((at > 0) & (at < 1))
found = [one for one in zip(labels, scores, masks, boxes) if one[1] > 0]
objects = [(label, score, weights(top, bottom, {height}) @ mask @ weights(left, right, {width}).T >= 0.5)
           for label, score, mask, (left, top, right, bottom) in found]"""


class Boxes(nn.Module):
    """Maps to boxes, scores, classes and masks of each image, the best score first; what is too much has a score of 0.

    Args:
        model: Mask R-CNN.
        things: The classes that have objects.
    """

    def __init__(self, model: Any, things: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.are_things = torch.zeros(model.num_classes, dtype=torch.bool)
        self.are_things[list(things)] = True

    def forward(self, maps: Sequence[Tensor], _: Tensor) -> Found:
        """Of shape (N, most, 4), (N, most), (N, most) and (N, most, 28, 28)."""
        model, stride = self.model, self.model.proposals.strides[0]
        size = (maps[0].shape[2] * stride, maps[0].shape[3] * stride)
        proposals, proposed = propose(model.proposals, maps, size)
        head, features = model.box_head, self.features(maps, proposals.flatten(0, 1), images_of(proposals), 7)
        hidden = head.hidden(features)
        scores = head.scores(hidden).softmax(1)[:, :-1].reshape(*proposals.shape[:2], -1)  # N, boxes, classes
        classes = scores.shape[2]
        references = proposals.flatten(0, 1).repeat_interleave(classes, 0)
        offsets = head.offsets(hidden).view(-1, 4)
        moved = clipped(decoded(offsets, references, SCALES), size).view(*scores.shape, 4)
        there = (
            proposed[..., None]
            & (scores > head.threshold)
            & self.are_things
            & (moved[..., 2:] > moved[..., :2]).all(-1)
        )
        scores = torch.where(there, scores, 0.0)
        apart = (each.transpose(1, 2).flatten(0, 1) for each in (moved, scores))  # classes do not drop each other
        kept = keep(*apart, OVERLAP).view(-1, classes, scores.shape[1]).transpose(1, 2)
        scores = (scores * kept).flatten(1)
        scores, best = scores.topk(min(head.most, scores.shape[1]), 1)
        boxes, labels = at(moved.flatten(1, 2), best), best % classes
        return boxes, scores, labels.to(torch.uint8), self.masks(maps, boxes, scores, labels)

    def masks(self, maps: Sequence[Tensor], boxes: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
        """The share of the object in each cell of its box; computed only for boxes with a score."""
        image, place = torch.nonzero(scores > 0).unbind(1)
        head = self.model.mask_head
        logits = head.masks(head.layers(self.features(maps, boxes[image, place], image, 14)))
        side, label = logits.shape[2], labels[image, place].view(-1, 1, 1, 1)
        found = logits.gather(1, label.expand(-1, 1, side, side)).squeeze(1).sigmoid()
        return boxes.new_zeros(*scores.shape, side, side).index_put((image, place), found)

    def features(self, maps: Sequence[Tensor], boxes: Tensor, images: Tensor, side: int) -> Tensor:
        """As `MaskRCNN.features`, of boxes with the numbers of their images."""
        model = self.model
        found: Tensor = regions(list(maps[:-1]), boxes, images, side, model.finest, list(model.proposals.strides[:-1]))
        return found


def boxes(model: Any, shape: tuple[int, int], things: Mapping[int, str]) -> ObjectOutputs:
    """What an ONNX file has of Mask R-CNN's objects."""
    head = model.box_head
    thresholds = {"score": head.threshold, "overlap": OVERLAP, "most": head.most}
    return ObjectOutputs(
        Boxes(model, list(things)),
        [
            Output("boxes", "float32", f"N, {head.most}, 4", "left, top, right and bottom in pixels, the surest first"),
            Output("scores", "float32", f"N, {head.most}", "how sure the object is; 0 where there are no more"),
            Output("labels", "uint8", f"N, {head.most}", "the id of its class"),
            Output("masks", "float32", f"N, {head.most}, {SIDE}, {SIDE}", "its share of each cell of its box"),
        ],
        things,
        thresholds,
        f"Boxes have a score above {head.threshold}; of those of a class that overlap by more than {OVERLAP} (IoU), "
        f"the surest is kept; at most {head.most} are. Masks may overlap.",
        "",
        LINES.format(side=SIDE, height=shape[0], width=shape[1]),
        TRANSLATIONS,
    )


def propose(head: Any, maps: Sequence[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """As `RegionProposals.proposed`: boxes of shape (N, most, 4), and which of them are any."""
    looked_at, most = head.kept
    boxes, scores = [], []
    for references, features in zip(head.anchors(maps), maps, strict=True):
        hidden = relu(head.shared(features))
        logits, offsets = (each(hidden).permute(0, 2, 3, 1).flatten(1) for each in (head.objectness, head.offsets))
        offsets = offsets.view(offsets.shape[0], -1, 4)
        score, best = logits.topk(min(looked_at, len(references)), 1)
        box = decoded(at(offsets, best).flatten(0, 1), references[best.flatten()], UNSCALED)
        box = clipped(box, size).view(*best.shape, 4)
        ranks = torch.arange(best.shape[1], 0, -1, dtype=box.dtype, device=box.device)
        there = (box[..., 2:] - box[..., :2] >= 1).all(-1)
        kept = keep(box, ranks * there, 0.7)
        boxes.append(box)
        scores.append(score.masked_fill(~kept, -torch.inf))
    together = torch.cat(scores, 1)
    score, best = together.topk(min(most, together.shape[1]), 1)
    return at(torch.cat(boxes, 1), best), score > -torch.inf


def at(rows: Tensor, indices: Tensor) -> Tensor:
    """Some of the rows of each image: of (N, rows, 4) those of (N, k)."""
    return rows.gather(1, indices[..., None].expand(-1, -1, rows.shape[2]))


def images_of(boxes: Tensor) -> Tensor:
    """For each box of (N, boxes, 4) the number of its image."""
    return torch.arange(boxes.shape[0], device=boxes.device).repeat_interleave(boxes.shape[1])
