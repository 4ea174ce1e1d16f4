"""Panoptic-DeepLab's outputs for objects: centres and offsets, and the lines of Python that group them.

The lines do what pixelproof/nn/grouping.py does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from commands._object_outputs import Arrays, Object, ObjectOutputs, Output
from pixelproof.nn.grouping import MOST, grouped
from pixelproof.nn.preprocess import DIVISOR

LINES = """\
there = (centres == scipy.ndimage.maximum_filter(centres, {window})) & (centres > {above})
order = there * np.arange(there.size, 0, -1).reshape(there.shape)  # of equal neighbours the first
peaks = np.argwhere(there & (order == scipy.ndimage.maximum_filter(order, {window})))
peaks = peaks[np.argsort(-centres[*peaks.T], kind="stable")[:{most}]]
labels, towards = probabilities.argmax(0), np.indices(centres.shape) + offsets
of = np.where(np.isin(labels, {things}), scipy.spatial.KDTree(peaks).query(towards.transpose(1, 2, 0))[1], -1)
found = [(np.bincount(labels[of == n]).argmax(), min(centres[*p], 1), of == n) for n, p in enumerate(peaks) if n in of]
objects = [(label, top * probabilities[label][mask].mean(), mask[:{height}, :{width}]) for label, top, mask in found]"""


class Centres(nn.Module):
    """Maps and logits to the heatmap of centres, the ways to them, and the probability of each class.

    They have the size of the padded image, as there may be centres beyond the edge, to which pixels inside belong.

    Args:
        model: Panoptic-DeepLab.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.head = model.decode_head

    def forward(self, maps: Sequence[Tensor], logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of shape (N, height, width), (N, 2, height, width) and (N, classes, height, width)."""
        heat, ways = self.head.places(maps, (logits.shape[2], logits.shape[3]))
        return heat, ways, logits.softmax(1)


def by_torch(head: Any, shape: tuple[int, int], things: Sequence[int], outputs: Arrays) -> list[Object]:
    """The objects of an image, as the network groups them."""
    heat, ways, chances = (torch.from_numpy(outputs[name]) for name in ("centres", "offsets", "probabilities"))
    found = grouped(chances, heat, ways, things, head.window, head.above)
    masks = found.masks[:, : shape[0], : shape[1]].numpy()
    return [Object(*one) for one in zip(found.classes.tolist(), found.scores.tolist(), masks, strict=True)]


def centres(model: Any, shape: tuple[int, int], things: Mapping[int, str]) -> ObjectOutputs:
    """What an ONNX file has of Panoptic-DeepLab's objects."""
    head, (height, width) = model.decode_head, (side + -side % DIVISOR for side in shape)
    thresholds = {"window": head.window, "above": head.above, "most": MOST}
    what = "how many pixels down and to the right the centre of the pixel's object is"
    outputs = [
        Output("centres", "float32", f"N, {height}, {width}", "how likely the centre of an object is here"),
        Output("offsets", "float32", f"N, 2, {height}, {width}", what),
        Output("probabilities", "float32", f"N, {model.num_classes}, {height}, {width}", "of each class"),
    ]
    size = f"{width}x{height}, padded on the right and below" if (height, width) != shape else f"{width}x{height}"
    return ObjectOutputs(
        Centres(model),
        outputs,
        things,
        thresholds,
        f"A centre is the highest place in a window of {head.window} pixels, and above {head.above}. The maps of "
        f"centres, offsets and probabilities are {size}.",
        "scipy",
        LINES.format(height=shape[0], width=shape[1], things=list(things), **thresholds),
        grouped=partial(by_torch, head, shape, list(things)),
    )
