"""Objects that a network found in an image, and how they are laid over a map of classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

AT_ONCE = 2**24  # values of masks that are computed together


@dataclass(frozen=True)
class Detections:
    """The objects of one image, the best score first.

    Attributes:
        scores: Of shape (D,), from 0 to 1.
        classes: Of shape (D,), the class ids.
        masks: Of shape (D, height, width), bool; they may overlap.
    """

    scores: Tensor
    classes: Tensor
    masks: Tensor


def pasted(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks of boxes as masks of the image: each pixel in a box has the value that is interpolated at its centre.

    Interpolation is bilinear, and so a product with a matrix for the rows and one for the columns.

    Args:
        masks: Of shape (D, side, side), the share of the object in each cell.
        boxes: Of shape (D, 4).
        size: Height and width of the image.

    Returns:
        Of shape (D, height, width), bool.

    Example:
        >>> pasted(torch.ones(1, 28, 28), torch.tensor([[1.0, 0.0, 3.0, 1.0]]), (2, 4)).int()
        tensor([[[0, 1, 1, 0],
                 [0, 0, 0, 0]]], dtype=torch.int32)
    """
    height, width = size
    found = torch.zeros(len(masks), height, width, dtype=torch.bool, device=masks.device)
    each = max(1, AT_ONCE // (height * width))
    for part in (slice(start, start + each) for start in range(0, len(masks), each)):
        rows = cells_at(boxes[part, 1], boxes[part, 3], height, masks.shape[1])
        columns = cells_at(boxes[part, 0], boxes[part, 2], width, masks.shape[2])
        found[part] = rows @ masks[part] @ columns.transpose(1, 2) >= 0.5
    return found


def cells_at(first: Tensor, last: Tensor, pixels: int, cells: int) -> Tensor:
    """Along one axis, the weight of each cell at each pixel, of shape (D, pixels, cells); none outside of the box."""
    centres = torch.arange(pixels, device=first.device) + 0.5
    inside = (centres > first[:, None]) & (centres < last[:, None])
    at = (centres - first[:, None]) / (last - first).clamp(min=1e-6)[:, None] * cells - 0.5
    at = at.clamp(0, cells - 1)
    numbers = torch.arange(cells, device=first.device)
    return (1 - (at[..., None] - numbers).abs()).clamp(min=0) * inside[..., None]
