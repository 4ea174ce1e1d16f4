"""What PIDNet (Xu et al., "PIDNet: A Real-time Semantic Segmentation Network Inspired by PID Controllers", CVPR 2023)
needs beyond the masks: the boundaries between classes.
"""

from __future__ import annotations

from typing import Any

import torch
from mmseg.models.decode_heads.pid_head import PIDHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional

from pixelproof.data.dataset import IGNORE

WIDTH = 4  # of a boundary, in pixels; as in MMSegmentation's `GenerateEdge` for PIDNet


@MODELS.register_module()
class BoundaryPIDHead(PIDHead):  # type: ignore[misc]
    """PIDNet's head, which expects a boundary map with each mask: here it is computed from the mask."""

    def _stack_batch_gt(self, batch_data_samples: list[Any]) -> tuple[Tensor, Tensor]:
        masks = torch.stack([sample.gt_sem_seg.data for sample in batch_data_samples])
        return masks, boundaries(masks)


def boundaries(masks: Tensor) -> Tensor:
    """1 within a band of about `WIDTH` pixels where two classes meet, 0 elsewhere.

    Args:
        masks: Class ids of shape (N, 1, H, W). An ignored pixel has no boundary.

    Example:
        >>> boundaries(torch.tensor([[[[0, 0, 0, 0, 1, 1, 1, 1]]]]))
        tensor([[[[0, 0, 1, 1, 1, 1, 0, 0]]]])
    """
    edge = torch.zeros_like(masks, dtype=torch.bool)
    edge[..., 1:, :] |= differ(masks[..., 1:, :], masks[..., :-1, :])
    edge[..., :-1] |= differ(masks[..., :-1], masks[..., 1:])
    edge[..., :-1, :-1] |= differ(masks[..., :-1, :-1], masks[..., 1:, 1:])
    edge[..., :-1, 1:] |= differ(masks[..., :-1, 1:], masks[..., 1:, :-1])
    before, after = WIDTH // 2, (WIDTH - 1) // 2  # an even width is centred as in OpenCV's dilation
    grown = functional.max_pool2d(functional.pad(edge.float(), (before, after, before, after)), WIDTH, stride=1)
    return grown.long()


def differ(one: Tensor, other: Tensor) -> Tensor:
    """Where two pixels both have a class and the classes differ."""
    return (one != other) & (one != IGNORE) & (other != IGNORE)
