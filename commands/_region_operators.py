"""Two operators with a form in torch, the project's own functions, and one in ONNX: suppression, and regions' features.

ONNX can express neither loops that end when nothing changes nor lists whose lengths are found on the way, but has
NonMaxSuppression and RoiAlign, of which tests know that they compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnx import TensorProto
from onnxscript import opset18
from torch import Tensor

from pixelproof.networks.region_heads import pooled
from pixelproof.nn.suppression import suppress

op: Any = opset18  # its types refuse constants


@torch.library.custom_op("pixelproof::keep", mutates_args=())
def keep(boxes: Tensor, scores: Tensor, above: float) -> Tensor:
    """Non-maximum suppression in each group of boxes by itself; those with a score of 0 are none.

    Args:
        boxes: Of shape (groups, boxes, 4).
        scores: Of shape (groups, boxes), not below 0.
        above: The IoU above which a box is dropped.

    Returns:
        Which are kept, of shape (groups, boxes).
    """
    kept = torch.zeros_like(scores, dtype=torch.bool)
    for box, score, row in zip(boxes, scores, kept, strict=True):
        there = torch.nonzero(score > 0).flatten()
        row[there[suppress(box[there], score[there], above)]] = True
    return kept


@keep.register_fake
def _(boxes: Tensor, scores: Tensor, above: float) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


def keep_in_onnx(boxes: Any, scores: Any, above: float) -> Any:
    """`keep`, of which NonMaxSuppression gives triples of group, 0 and box."""
    every = op.Constant(value_ints=[2**31 - 1])
    chosen = op.NonMaxSuppression(
        boxes,
        op.Unsqueeze(scores, op.Constant(value_ints=[1])),
        every,
        op.Constant(value_floats=[above]),
        op.Constant(value_floats=[0.0]),
    )
    places = op.Gather(chosen, op.Constant(value_ints=[0, 2]), axis=1)
    ones = op.Expand(op.Constant(value_float=1.0), op.Shape(chosen, start=0, end=1))
    return op.Greater(op.ScatterND(op.Mul(scores, op.Constant(value_float=0.0)), places, ones), 0.0)


@torch.library.custom_op("pixelproof::regions", mutates_args=())
def regions(
    maps: Sequence[Tensor], boxes: Tensor, images: Tensor, side: int, finest: float, strides: Sequence[int]
) -> Tensor:
    """As `pooled`, of boxes with the numbers of their images, which do not fall."""
    each = [boxes[images == image] for image in range(len(maps[0]))]
    return pooled(maps, each, side, finest, strides)


@regions.register_fake
def _(
    maps: Sequence[Tensor], boxes: Tensor, images: Tensor, side: int, finest: float, strides: Sequence[int]
) -> Tensor:
    return maps[0].new_empty(boxes.shape[0], maps[0].shape[1], side, side)


def regions_in_onnx(
    maps: Sequence[Any], boxes: Any, images: Any, side: int, finest: float, strides: Sequence[int]
) -> Any:
    """`regions`: from each map the boxes of its size, by RoiAlign, put where they were."""
    levels, found = levels_in_onnx(boxes, len(maps), finest), None
    for level, (features, stride) in enumerate(zip(maps, strides, strict=True)):
        here = op.Transpose(op.NonZero(op.Equal(levels, float(level))))
        rows = op.Squeeze(here, op.Constant(value_ints=[1]))
        values = op.RoiAlign(
            features,
            op.Gather(boxes, rows),
            op.Gather(images, rows),
            output_height=side,
            output_width=side,
            sampling_ratio=2,
            spatial_scale=1 / stride,
            coordinate_transformation_mode="half_pixel",
        )
        if found is None:
            shape = op.Concat(op.Shape(boxes, start=0, end=1), op.Shape(values, start=1), axis=0)
            found = op.Expand(op.Constant(value_float=0.0), shape)
        found = op.ScatterND(found, here, values)
    return found


def levels_in_onnx(boxes: Any, count: int, finest: float) -> Any:
    """The map that each box is pooled from: that of its side, in powers of two."""
    left, top, right, bottom = op.Split(boxes, axis=1, num_outputs=4)
    area = op.Mul(op.Relu(op.Sub(right, left)), op.Relu(op.Sub(bottom, top)))
    sides = op.Add(op.Div(op.Squeeze(op.Sqrt(area), op.Constant(value_ints=[1])), finest), 1e-6)
    levels = op.Mul(sides, 0.0)
    for level in range(1, count):
        levels = op.Add(levels, op.Cast(op.GreaterOrEqual(sides, float(2**level)), to=TensorProto.FLOAT))
    return levels


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.pixelproof.keep.default: keep_in_onnx,
    torch.ops.pixelproof.regions.default: regions_in_onnx,
}
