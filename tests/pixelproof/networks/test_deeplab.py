"""Xception-65 against the paper's figure 4, counted by hand, and against the definition of atrous convolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pixelproof.networks.xception import Xception65
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
TINY = (4, 4, 6, 8, 10, 12, 14, 16)


def separable(inputs: int, outputs: int) -> int:
    """Parameters of a 3x3 depthwise and a 1x1 convolution, each with batch norm."""
    return 9 * inputs + 2 * inputs + inputs * outputs + 2 * outputs


def convolution(inputs: int, outputs: int, area: int) -> int:
    """Parameters of a convolution and its batch norm."""
    return area * inputs * outputs + 2 * outputs


def test_xception_has_the_parameters_of_figure_4() -> None:
    """Each line of the figure, counted separately."""
    entry = convolution(3, 32, 9) + convolution(32, 64, 9)
    for inputs, outputs in ((64, 128), (128, 256), (256, 728)):
        entry += separable(inputs, outputs) + 2 * separable(outputs, outputs) + convolution(inputs, outputs, 1)
    middle = 16 * 3 * separable(728, 728)
    leaving = separable(728, 728) + separable(728, 1024) + separable(1024, 1024) + convolution(728, 1024, 1)
    leaving += separable(1024, 1536) + separable(1536, 1536) + separable(1536, 2048)
    with torch.device("meta"):
        backbone = Xception65()
    assert count(backbone) == entry + middle + leaving
    assert count(backbone) == pytest.approx(37.8e6, rel=0.005)


def test_deeplab_has_about_the_published_number_of_parameters() -> None:
    """41 million, once the convolution that fuses the rates is the paper's 1x1 and not MMSegmentation's 3x3."""
    with torch.device("meta"):
        model = build_model(resolve("deeplabv3plus-xception65", "full"), 21, FP32)
    assert model.decode_head.dilations == [1, 6, 12, 18]
    assert count(model) - 8 * (5 * 256) * 256 == pytest.approx(41.05e6, rel=0.005)


@pytest.mark.parametrize(
    ("output_stride", "strides", "rates"),
    [
        (32, [2, 2, 2, 2], [1, 1, 1]),
        (16, [2, 2, 2, 1], [1, 1, 2]),
        (8, [2, 2, 1, 1], [2, 2, 4]),
    ],
)
def test_strides_become_rates(output_stride: int, strides: list[int], rates: list[int]) -> None:
    """Strides of the four strided blocks; rates of the middle flow, the last block and the last convolutions."""
    backbone = Xception65(output_stride, TINY, middle_blocks=2)
    blocks = [backbone.block1, backbone.block2, backbone.block3, backbone.block4]
    assert [max(m.stride[0] for m in depthwise(block)) for block in blocks] == strides
    found = [{m.dilation[0] for m in depthwise(p)} for p in (backbone.middle, backbone.block4, backbone.exit)]
    assert found == [{rate} for rate in rates]
    assert all(m.dilation == (1, 1) for block in blocks[:3] for m in depthwise(block))
    low, last = backbone(torch.zeros(2, 3, 64, 96))
    assert low.shape == (2, 8, 16, 24)
    assert last.shape == (2, 16, 64 // output_stride, 96 // output_stride)


def test_every_output_stride_is_one_network() -> None:
    """The same weights fit all; every second value of a denser map is that of the coarser one."""
    torch.manual_seed(0)
    coarse = Xception65(32, TINY, middle_blocks=2).eval()
    image, maps = torch.randn(1, 3, 64, 64), {}
    for stride in (32, 16, 8):
        same = Xception65(stride, TINY, middle_blocks=2).eval()
        same.load_state_dict(coarse.state_dict())
        maps[stride] = same(image)[1]
    assert maps[32].std() > 0
    torch.testing.assert_close(maps[16][..., ::2, ::2], maps[32])
    torch.testing.assert_close(maps[8][..., ::2, ::2], maps[16])


def test_an_unknown_output_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 8, 16 or 32, found 4"):
        Xception65(4)


def depthwise(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]


def count(module: nn.Module) -> int:
    weights: list[Tensor] = list(module.parameters())
    return sum(weight.numel() for weight in weights)
