"""Panoptic-DeepLab's outputs for objects: centres and offsets, and the lines of Python that group them.

The lines do what pixelproof/nn/grouping.py does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from commands._object_outputs import ObjectOutputs, Output
from pixelproof.nn.grouping import MOST

LINES = """\
peaks = np.argwhere((centres == scipy.ndimage.maximum_filter(centres, {window})) & (centres > {above}))
peaks = peaks[np.argsort(-centres[*peaks.T], kind="stable")[:{most}]]
things, towards = np.isin(classes, {things}) & (len(peaks) > 0), np.indices(classes.shape) + offsets
of = np.where(things, scipy.spatial.KDTree(peaks).query(towards.transpose(1, 2, 0))[1], -1)
found = [(of == n, np.bincount(classes[of == n]).argmax(), min(centres[*peaks[n]], 1)) for n in np.unique(of[things])]
objects = [(label, top * scipy.special.softmax(logits[:, mask], 0)[label].mean(), mask) for mask, label, top in found]"""


class Centres(nn.Module):
    """Maps to the heatmap of centres and the ways to them, at the size of the image.

    Args:
        model: Panoptic-DeepLab.
        shape: Height and width of the image.
    """

    def __init__(self, model: Any, shape: tuple[int, int]) -> None:
        super().__init__()
        self.head, self.shape = model.decode_head, shape

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Of shape (N, height, width) and (N, 2, height, width)."""
        height, width = self.shape
        padded = (maps[0].shape[2] * 4, maps[0].shape[3] * 4)
        heat, ways = self.head.places(maps, padded)
        return heat[:, :height, :width], ways[:, :, :height, :width]


def centres(model: Any, shape: tuple[int, int], things: Mapping[int, str]) -> ObjectOutputs:
    """What an ONNX file has of Panoptic-DeepLab's objects."""
    head, (height, width) = model.decode_head, shape
    thresholds = {"window": head.window, "above": head.above, "most": MOST}
    what = "how many pixels down and to the right the centre of the pixel's object is"
    return ObjectOutputs(
        Centres(model, shape),
        [
            Output("centres", "float32", f"N, {height}, {width}", "how likely the centre of an object is here"),
            Output("offsets", "float32", f"N, 2, {height}, {width}", what),
        ],
        things,
        thresholds,
        f"An object has a centre that is the highest place in a window of {head.window} pixels and above {head.above}.",
        "scipy",
        LINES.format(things=list(things), **thresholds),
    )
