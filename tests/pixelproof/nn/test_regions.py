"""RoIAlign and RoIPool, against ONNX Runtime's and cases worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from pixelproof.nn.regions import Bins, roi_align, roi_pool

RNG = np.random.default_rng(0)


def onnx_runtime(operator: str, inputs: dict[str, NDArray[Any]], **attributes: Any) -> NDArray[Any]:
    """The output of a single operator, by ONNX Runtime."""
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    typed = [helper.make_tensor_value_info(name, kinds[array.dtype], array.shape) for name, array in inputs.items()]
    kind = TensorProto.INT64 if operator == "NonMaxSuppression" else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(operator, list(inputs), ["found"], **attributes)],
        "one operator",
        typed,
        [helper.make_tensor_value_info("found", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=9)
    found: NDArray[Any] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)[0]
    return found


def boxes_in(extent: float, count: int) -> NDArray[np.float32]:
    """Boxes of all sizes, some beyond the image on each side, some without area."""
    corners = np.sort(RNG.uniform(-0.3 * extent, 1.3 * extent, (count, 2, 2)), axis=1)
    corners[: count // 8, 1] = corners[: count // 8, 0]
    return corners.reshape(count, 4).astype(np.float32)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [0, 1, 2, 3])
def test_roi_align_is_that_of_onnx_runtime(samples: int, aligned: bool) -> None:
    features = RNG.normal(size=(3, 5, 12, 17)).astype(np.float32)
    boxes, images = boxes_in(60, 40), RNG.integers(0, 3, 40)
    wanted = onnx_runtime(
        "RoiAlign",
        {"features": features, "boxes": boxes, "images": images},
        output_height=3,
        output_width=4,
        sampling_ratio=samples,
        spatial_scale=0.25,
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )
    for layout in (torch.contiguous_format, torch.channels_last):
        found = roi_align(
            torch.from_numpy(features).contiguous(memory_format=layout),
            torch.from_numpy(boxes),
            torch.from_numpy(images),
            Bins(3, 4, 0.25, samples, aligned),
        )
        np.testing.assert_allclose(found.numpy(), wanted, atol=2e-5)


def test_features_of_16_bits_leave_boxes_where_they_are() -> None:
    """In bfloat16, 340 lies between 338 and 342: boxes would be taken from up to half a cell elsewhere."""
    at = torch.rand(50, generator=torch.Generator().manual_seed(0)) * 40 + 340
    boxes, images = torch.stack([at, at, at + 24, at + 24], 1), torch.zeros(50, dtype=torch.long)
    features = (torch.arange(128.0) - 93).expand(1, 1, 128, 128)  # a cell is 1
    found = roi_align(features.bfloat16(), boxes, images, Bins(3, 3, 0.25))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), roi_align(features, boxes, images, Bins(3, 3, 0.25)), atol=0.1, rtol=0)


def test_roi_align_by_hand() -> None:
    """A box that is one cell, sampled at its centre, is that cell; half a cell off without alignment."""
    features = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    box, image = torch.tensor([[4.0, 4.0, 8.0, 8.0]]), torch.tensor([0])
    assert roi_align(features, box, image, Bins(1, 1, 0.25, 1)).item() == 3.0
    assert roi_align(features, box - 2.0, image, Bins(1, 1, 0.25, 1)).item() == 1.5  # between all four
    assert roi_align(features, box - 4.0, image, Bins(1, 1, 0.25, 1, aligned=False)).item() == 1.5
    assert roi_align(features, box + 40.0, image, Bins(1, 1, 0.25, 1)).item() == 0.0  # outside of the image


def test_roi_pool_is_that_of_onnx_runtime() -> None:
    features = RNG.normal(size=(2, 3, 9, 14)).astype(np.float32)
    boxes, images = np.abs(boxes_in(40, 60)), RNG.integers(0, 2, 60)
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    wanted = onnx_runtime(
        "MaxRoiPool",
        {"features": features, "boxes": np.column_stack([images, boxes]).astype(np.float32)},
        pooled_shape=[3, 2],
        spatial_scale=0.25,
    )
    found = roi_pool(torch.from_numpy(features), torch.from_numpy(boxes), torch.from_numpy(images), Bins(3, 2, 0.25))
    np.testing.assert_array_equal(found.numpy(), wanted)


def test_roi_pool_by_hand() -> None:
    """Columns 1 to 3 in two bins: 1 and 2, and 2 and 3; the rounding moves the box by up to half a cell."""
    features = torch.arange(5.0).expand(1, 1, 5, 5)
    image, bins = torch.tensor([0]), Bins(1, 2, 1.0)
    for left, right in ((1.0, 3.0), (0.6, 3.4), (1.4, 2.6)):
        box = torch.tensor([[left, 0.0, right, 4.0]])
        assert roi_pool(features, box, image, bins).flatten().tolist() == [2.0, 3.0]
    assert roi_pool(features, torch.tensor([[9.0, 9.0, 12.0, 12.0]]), image, bins).flatten().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("operator", [roi_align, roi_pool])
def test_gradients_are_those_of_finite_differences(operator: Any) -> None:
    features = torch.from_numpy(RNG.normal(size=(2, 2, 5, 6))).requires_grad_()
    boxes = torch.tensor([[1.0, 2.0, 14.0, 17.0], [-3.0, 4.0, 9.0, 30.0], [5.0, 5.0, 5.0, 5.0]], dtype=torch.float64)
    images = torch.tensor([0, 1, 1])
    assert torch.autograd.gradcheck(lambda x: operator(x, boxes, images, Bins(2, 3, 0.25)), (features,))


@pytest.mark.parametrize("operator", [roi_align, roi_pool])
def test_no_regions_give_no_features(operator: Any) -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert operator(torch.zeros(1, 4, 5, 5), torch.zeros(0, 4), none, Bins(2, 3, 0.25)).shape == (0, 4, 2, 3)
