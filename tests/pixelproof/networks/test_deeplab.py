"""Xception-65 against its paper's figure 4, counted by hand, and against the definition of atrous convolution; cascaded
blocks against figure 3 (b) and section 3.2.1 of theirs."""

from __future__ import annotations

import mmseg.models  # noqa: F401
import pytest
import torch
from mmseg.models.backbones import ResNetV1c
from torch import Tensor, nn

from pixelproof.networks.cascaded_resnet import CascadedResNet
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


def test_cascaded_blocks_are_the_papers() -> None:
    """Figure 3 (b): output stride 16, and block4 to block7 with rates 2, 4, 8, 16, times `Multi_Grid` in each.

    A copy has three units of 2048 channels, each of a 1x1, a 3x3 and a 1x1 convolution over 512.
    """
    with torch.device("meta"):
        model = build_model(resolve("deeplabv3-cascade-r50", "full"), 21, FP32)
        plain = ResNetV1c(depth=50)
        (found,) = model.backbone(torch.zeros(1, 3, 128, 192))
    rates = [[unit.conv2.dilation[0] for unit in getattr(model.backbone, f"layer{i}")] for i in (3, 4, 5, 6, 7)]
    assert rates == [[1] * 6, [2, 4, 2], [4, 8, 4], [8, 16, 8], [16, 32, 16]]
    assert found.shape == (1, 2048, 8, 12)
    unit = convolution(2048, 512, 1) + convolution(512, 512, 9) + convolution(512, 2048, 1)
    assert count(model.backbone) == count(plain) + 3 * 3 * unit
    assert count(model.decode_head) == 2048 * 21 + 21


def test_a_cascade_goes_on_where_the_resnet_ends() -> None:
    """Without copies it is MMSegmentation's ResNet; new copies pass its map on, as their last norms begin with 0."""
    torch.manual_seed(0)
    widths = {"stem_channels": 8, "base_channels": 4}
    plain = ResNetV1c(depth=18, **widths, dilations=(1, 1, 1, 1))
    alone, three = (CascadedResNet(18, (1, 1, 1, 1), rates, (1, 1), **widths) for rates in ((), (2, 4, 8)))
    for each in (plain, alone, three):
        each.eval()  # MMSegmentation's returns nothing
    three.init_weights()
    alone.load_state_dict(plain.state_dict())
    left_over = three.load_state_dict(plain.state_dict(), strict=False)
    assert {name.split(".")[0] for name in left_over.missing_keys} == {"layer5", "layer6", "layer7"}
    image = torch.randn(1, 3, 64, 64)
    expected = plain(image)[-1]
    assert torch.equal(alone(image)[0], expected) and torch.equal(three(image)[0], expected)
    three.layer6[1].norm2.weight.data.fill_(1.0)
    assert not torch.equal(three(image)[0], expected)
    with pytest.raises(ValueError, match="the last block of a ResNet-18 has 2 units, not 3"):
        CascadedResNet(18, (1, 1, 1, 1), (2,), (1, 2, 1))


def depthwise(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]


def count(module: nn.Module) -> int:
    weights: list[Tensor] = list(module.parameters())
    return sum(weight.numel() for weight in weights)
