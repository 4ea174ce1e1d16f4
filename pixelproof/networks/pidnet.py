"""What PIDNet (Xu et al., "PIDNet: A Real-time Semantic Segmentation Network Inspired by PID Controllers", CVPR 2023)
needs beyond the masks: where the boundaries between classes are."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.models.decode_heads.pid_head import PIDHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional

from pixelproof.data.dataset import IGNORE

WIDTH = 4  # of a boundary in pixels, as in MMSegmentation's `GenerateEdge` for PIDNet


@MODELS.register_module()
class BoundaryPIDHead(PIDHead):  # type: ignore[misc]
    """PIDNet's head, which expects a boundary map beside each mask: here it is made of the mask."""

    def _stack_batch_gt(self, batch_data_samples: list[Any]) -> tuple[Tensor, Tensor]:
        masks = torch.stack([sample.gt_sem_seg.data for sample in batch_data_samples])
        return masks, boundaries(masks)


def boundaries(masks: Tensor) -> Tensor:
    """1 where two classes meet, at about `WIDTH` pixels, else 0; for class ids of shape (N, 1, H, W)."""
    edge = torch.zeros_like(masks, dtype=torch.bool)
    edge[..., 1:, :] |= differ(masks[..., 1:, :], masks[..., :-1, :])
    edge[..., :-1] |= differ(masks[..., :-1], masks[..., 1:])
    edge[..., :-1, :-1] |= differ(masks[..., :-1, :-1], masks[..., 1:, 1:])
    edge[..., :-1, 1:] |= differ(masks[..., :-1, 1:], masks[..., 1:, :-1])
    before, after = WIDTH // 2, (WIDTH - 1) // 2  # where OpenCV's dilation has the middle of an even width
    grown = functional.max_pool2d(functional.pad(edge.float(), (before, after, before, after)), WIDTH, stride=1)
    return grown.long()


def differ(one: Tensor, other: Tensor) -> Tensor:
    """Where two pixels have classes, and not the same."""
    return (one != other) & (one != IGNORE) & (other != IGNORE)
