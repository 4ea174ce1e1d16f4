"""FCN-32s, FCN-16s and FCN-8s against the paper's sizes and against bilinear interpolation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from pixelproof.networks.fcn_skip import Doubling
from pixelproof.nn.build import build_model
from stages.configure.resolve import resolve
from tests.pixelproof.networks.gradients import FP32, bf16_error, without_gradient

NAMES = ["fcn32s", "fcn16s", "fcn8s"]


def small_head(name: str) -> Any:
    """The head of a small network with initial weights, in evaluation mode."""
    torch.manual_seed(0)
    head = build_model(resolve(name, "small"), 5, FP32).decode_head.eval()
    head.init_weights()
    return head


def pooled_maps() -> list[torch.Tensor]:
    """Feature maps like those of the small encoder's five poolings for a 128x128 image."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(16, 64), (32, 32), (64, 16), (128, 8), (128, 4)]
    return [torch.rand(2, width, size, size, generator=generator) for width, size in shapes]


def test_full_networks_have_the_papers_parameters() -> None:
    """Table 1 of Long et al. 2015 gives FCN-VGG16 134 M. VGG16 has 138,357,544 (Simonyan and Zisserman: 138 M); its
    last layer's 1000 classes give way to 21 here. A skip adds a 1x1 convolution and a 4x4 up-sampling of the scores.
    The paper's last up-sampling is fixed, and counted neither there nor here."""
    vgg_without_classes = 138_357_544 - (4096 * 1000 + 1000)
    fcn32s = vgg_without_classes + 4096 * 21 + 21
    fcn16s = fcn32s + (512 * 21 + 21) + 21 * 21 * 16
    fcn8s = fcn16s + (256 * 21 + 21) + 21 * 21 * 16
    assert round(fcn32s / 1e6) == round(fcn8s / 1e6) == 134
    for name, expected in zip(NAMES, [fcn32s, fcn16s, fcn8s], strict=True):
        with torch.device("meta"):
            full = build_model(resolve(name, "full"), 21, FP32)
        assert sum(p.numel() for p in full.parameters()) == expected, name


def test_doubling_starts_as_bilinear_interpolation() -> None:
    """Equal in the interior; at the border a deconvolution sees zeros where interpolation repeats the last value."""
    x = torch.rand(2, 3, 5, 7)
    doubled, expected = Doubling(3)(x), functional.interpolate(x, scale_factor=2, mode="bilinear")
    assert doubled.shape == expected.shape
    torch.testing.assert_close(doubled[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


@pytest.mark.parametrize(("name", "size"), [("fcn16s", 8), ("fcn8s", 16)])
def test_scores_start_as_those_of_stride_32(name: str, size: int) -> None:
    """A skip starts at zero (section 4.2): FCN-16s and FCN-8s first predict what FCN-32s does, doubled in size."""
    coarse, head = small_head("fcn32s"), small_head(name)
    head.load_state_dict(coarse.state_dict(), strict=False)
    expected, scores = coarse(pooled_maps()), head(pooled_maps())
    while expected.shape[2] < size:
        expected = functional.interpolate(expected, scale_factor=2, mode="bilinear")
    inside = slice(size // 4, -(size // 4))  # what the borders of up-sampling do not reach
    assert scores.shape == (2, 5, size, size) and scores.std() > 0
    torch.testing.assert_close(scores[..., inside, inside], expected[..., inside, inside])


def test_skips_are_added_at_their_own_strides() -> None:
    """A skip's weights change only its own scores: pool3's directly, pool4's after one doubling."""
    head, maps = small_head("fcn8s"), pooled_maps()
    before = head(maps)
    for number, feature in enumerate([maps[3], maps[2]]):
        weight = torch.randn(5, feature.shape[1], 1, 1)
        head.skips[number].weight.data.copy_(weight)
        expected = functional.conv2d(feature, weight)
        change = head(maps) - before
        head.skips[number].weight.data.zero_()
        torch.testing.assert_close(change, head.doublings[1](expected) if number == 0 else expected, atol=1e-4, rtol=0)


def test_bf16_gradients_of_fc6_on_a_map_smaller_than_its_kernel() -> None:
    """An image of 64x64 has a map of 2x2. With its padding inside fc6, most of the gradient is never set."""
    head = small_head("fcn32s")
    maps = [*pooled_maps()[:4], torch.rand(4, 128, 2, 2)]
    assert bf16_error(lambda x: head([*maps[:4], x]), head.fc6.weight, maps[4]) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    """No unused weights."""
    assert without_gradient(name) == []
