"""Features of regions (RoIAlign and RoIPool) in plain torch: no compiled operators, and gradients for the features.

A region is a box in the image: left, top, right and bottom, real numbers, in pixels whose centres are at 0.5, 1.5, ....

- RoIAlign (He et al., "Mask R-CNN", ICCV 2017) samples each bin at regular points, interpolates the features there
  bilinearly, and averages. A point's bilinear weights are products of those of its row and its column, and so are the
  weights of all points of a bin together: each value of the output is one weighted sum over features.
- RoIPool (Girshick, "Fast R-CNN", ICCV 2015) rounds twice: the box to cells of the feature map, and each bin to whole
  cells, of which it takes the maximum. It is here to show what that costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

AT_ONCE = 2**22  # values that RoIPool looks at together


@dataclass(frozen=True)
class Bins:
    """How a region is divided.

    Attributes:
        height, width: How many rows and columns of bins.
        scale: Cells of the feature map per pixel of the image.
        samples: Points per bin along each axis; 0 for as many as the bin has cells, rounded up.
        aligned: Whether cells have their centres at 0.5, as pixels do; without it, at 0, which is half a cell off.
    """

    height: int
    width: int
    scale: float
    samples: int = 2
    aligned: bool = True


def roi_align(features: Tensor, boxes: Tensor, images: Tensor, bins: Bins) -> Tensor:
    """The mean of bilinear samples in each bin of each region.

    Args:
        features: Of shape (N, C, height, width).
        boxes: Of shape (R, 4).
        images: For each region, the image whose features it is taken from, of shape (R,).
        bins: How regions are divided.

    Returns:
        Of shape (R, C, bins.height, bins.width).

    Example:
        >>> ramp = torch.arange(16.0).expand(1, 1, 16, 16)  # a feature that grows by one from column to column
        >>> boxes, images = torch.tensor([[2.0, 2.0, 10.0, 10.0]]), torch.tensor([0])
        >>> roi_align(ramp, boxes, images, Bins(1, 2, scale=1.0)).flatten().tolist()
        [3.5, 7.5]
    """
    count, channels, height, width = features.shape
    if not len(boxes):
        return features.new_zeros(0, channels, bins.height, bins.width)
    exact = torch.promote_types(features.dtype, torch.float32)  # 16 bits would move boxes by up to two pixels
    left, top, right, bottom = boxes.to(exact).mul(bins.scale).sub(0.5 if bins.aligned else 0.0).unbind(1)
    rows, row_weights = taps(top, bottom, bins.height, height, bins)
    columns, column_weights = taps(left, right, bins.width, width, bins)
    cells = (images.view(-1, 1, 1) * height + rows)[:, :, None, :, None] * width + columns[:, None, :, None, :]
    weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None, :]
    bags = len(boxes) * bins.height * bins.width
    values = embedding_bag(
        cells.reshape(bags, -1),
        features.permute(0, 2, 3, 1).reshape(count * height * width, channels).contiguous(),  # a view for one image
        mode="sum",
        per_sample_weights=weights.reshape(bags, -1).to(features.dtype),
    )
    return values.view(len(boxes), bins.height, bins.width, channels).permute(0, 3, 1, 2)


def taps(first: Tensor, last: Tensor, count: int, cells: int, bins: Bins) -> tuple[Tensor, Tensor]:
    """Along one axis: the cells that each bin of each region is computed from, and their weights.

    A point up to one cell outside of the map has the value at its edge, one further out has none.

    Args:
        first: Where each region begins, in cells.
        last: Where it ends.
        count: How many bins it is divided into.
        cells: How many the feature map has.
        bins: How regions are divided.

    Returns:
        Both of shape (R, count, taps): the indices of cells, and weights that sum to the share of points inside.
    """
    length = last - first
    if not bins.aligned:
        length = length.clamp(min=1.0)
    step = (length / count)[:, None, None]
    points = torch.full_like(step, bins.samples) if bins.samples else step.ceil()
    number = torch.arange(max(int(points.max()), 1), dtype=first.dtype, device=first.device)
    points_or_one = points.clamp(min=1.0)  # a bin without length has no points
    bin_numbers = torch.arange(count, dtype=first.dtype, device=first.device)[:, None]
    at = first[:, None, None] + (bin_numbers + (number + 0.5) / points_or_one) * step
    inside = (at >= -1.0) & (at <= cells) & (number < points)
    at = at.clamp(0.0, cells - 1.0)
    lower = at.floor().clamp(max=max(cells - 2, 0))
    share = (at - lower).clamp(max=1.0)
    weights = torch.cat([1.0 - share, share], 2) * torch.cat([inside, inside], 2) / points_or_one
    upper = (lower + 1.0).clamp(max=cells - 1.0)
    return torch.cat([lower, upper], 2).long(), weights


def roi_pool(features: Tensor, boxes: Tensor, images: Tensor, bins: Bins) -> Tensor:
    """The maximum in each bin of each region, after the region and its bins are rounded to whole cells.

    Args:
        features: Of shape (N, C, height, width).
        boxes: Of shape (R, 4).
        images: For each region, the image whose features it is taken from, of shape (R,).
        bins: How regions are divided; its points are not used.

    Returns:
        Of shape (R, C, bins.height, bins.width); 0 for a bin without cells.

    Example:
        >>> ramp = torch.arange(16.0).expand(1, 1, 16, 16)
        >>> boxes, images = torch.tensor([[2.4, 2.4, 9.4, 9.4]]), torch.tensor([0])
        >>> roi_pool(ramp, boxes, images, Bins(1, 2, scale=1.0)).flatten().tolist()
        [5.0, 9.0]
    """
    count, channels, height, width = features.shape
    if not len(boxes):
        return features.new_zeros(0, channels, bins.height, bins.width)
    left, top, right, bottom = (boxes * bins.scale).add(0.5).floor().long().unbind(1)  # halves are rounded up
    rows, row_inside = cells_of(top, bottom, bins.height, height)
    columns, column_inside = cells_of(left, right, bins.width, width)
    flat = features.permute(0, 2, 3, 1).reshape(count * height * width, channels)
    each = max(1, AT_ONCE // (bins.height * bins.width * rows.shape[2] * columns.shape[2] * channels))
    found = []
    for part in (slice(start, start + each) for start in range(0, len(boxes), each)):
        cells = (images[part].view(-1, 1, 1) * height + rows[part])[:, :, None, :, None] * width
        cells = cells + columns[part][:, None, :, None, :]
        inside = row_inside[part][:, :, None, :, None] & column_inside[part][:, None, :, None, :]
        values = flat[cells.flatten(3)].masked_fill(~inside.flatten(3)[..., None], -torch.inf).max(3).values
        found.append(values.masked_fill(~inside.flatten(3).any(3)[..., None], 0.0))
    return torch.cat(found).permute(0, 3, 1, 2)


def cells_of(first: Tensor, last: Tensor, count: int, cells: int) -> tuple[Tensor, Tensor]:
    """Along one axis: the cells of each bin of each region, and which of them count.

    Args:
        first: The first cell of each region.
        last: The last one, which belongs to it.
        count: How many bins it is divided into.
        cells: How many the feature map has.

    Returns:
        Both of shape (R, count, n): indices, and whether they are cells of the bin.
    """
    length = (last - first + 1).clamp(min=1)
    numbers = torch.arange(count, device=first.device)
    starts = (numbers * length[:, None]).div(count, rounding_mode="floor") + first[:, None]
    ends = -(-(numbers + 1) * length[:, None]).div(count, rounding_mode="floor") + first[:, None]
    starts, ends = starts.clamp(0, cells), ends.clamp(0, cells)
    indices = starts[..., None] + torch.arange(max(int((ends - starts).max()), 1), device=first.device)
    return indices.clamp(max=cells - 1), indices < ends[..., None]
