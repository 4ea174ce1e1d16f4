"""Panoptic-DeepLab as one graph, up to what its objects are grouped from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class Centres(nn.Module):
    """Maps to the heatmap of centres and the ways to them, at the size of the image.

    Args:
        model: Panoptic-DeepLab.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Of shape (N, height, width) and (N, 2, height, width)."""
        size = (maps[0].shape[2] * 4, maps[0].shape[3] * 4)
        heat, ways = self.model.decode_head.places(maps, size)
        return heat, ways
