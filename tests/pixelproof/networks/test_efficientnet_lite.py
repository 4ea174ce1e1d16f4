"""EfficientNet-Lite against its published sizes, TensorFlow's padding worked by hand, and atrous convolution."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixelproof.networks.efficientnet_lite import NORM, EfficientNetLite, InvertedResidual, convolution
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
# The authors' README: 4.7 M, 5.4 M and 6.1 M parameters. To the last one, those of the published checkpoints.
PUBLISHED = (4_652_008, 5_416_680, 6_092_072)


@pytest.mark.parametrize(("variant", "last"), [(0, 320), (1, 320), (2, 352)])
def test_it_has_the_published_number_of_parameters(variant: int, last: int) -> None:
    """Together with the classifier that it lacks: 1280 channels by a 1x1 convolution with batch norm, 1000 classes."""
    with torch.device("meta"):
        encoder = EfficientNetLite(variant)
    classifier = last * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(weight.numel() for weight in encoder.parameters()) + classifier == PUBLISHED[variant]


@pytest.mark.parametrize(
    ("variant", "blocks", "channels"),
    [(0, [0, 2, 4, 10, 15], [16, 24, 40, 112, 320]), (2, [0, 3, 6, 14, 20], [16, 24, 48, 120, 352])],
)
def test_the_maps_are_those_of_the_last_block_at_each_stride(
    variant: int, blocks: list[int], channels: list[int]
) -> None:
    encoder = EfficientNetLite(variant).eval()
    seen: list[Tensor] = []
    for block in (module for module in encoder.modules() if isinstance(module, InvertedResidual)):
        block.register_forward_hook(lambda _, inputs, output: seen.append(output))
    found = encoder(torch.randn(1, 3, 64, 96))
    assert [map.shape[1:] for map in found] == [(c, 32 >> i, 48 >> i) for i, c in enumerate(channels)]
    assert all(map is seen[block] for map, block in zip(found, blocks, strict=True))
    some = EfficientNetLite(variant, out_indices=(1, 4)).eval()
    some.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(
        some(torch.ones(1, 3, 64, 64)), tuple(encoder(torch.ones(1, 3, 64, 64))[i] for i in (1, 4))
    )


def counting(kernel: int, stride: int) -> nn.Module:
    """A layer that adds up the values under its kernel: weights of 1, and a batch norm that changes nothing."""
    layer: Any = convolution(1, 1, NORM, kernel, stride, act=False).eval()
    nn.init.ones_(layer.conv.weight)
    nn.init.constant_(layer.bn.running_var, 1 - 1e-3)  # epsilon is 0.001, as TensorFlow's
    return layer  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kernel", "side", "expected"),
    [
        # 0 1 2 3 / 4 5 6 7 / ... 15, with nothing on the left and at the top, and one zero on the right and at the
        # bottom: the first sum is 0+1+2 + 4+5+6 + 8+9+10, the last 10+11 + 14+15.
        (3, 4, [[45, 39], [66, 50]]),
        # One zero on the left and at the top, two on the right and at the bottom: columns 0 to 3, then 1 to 3.
        (5, 4, [[120, 96], [114, 90]]),
        # An odd size, 0 1 2 / 3 4 5 / 6 7 8, is padded by one zero on every side.
        (3, 3, [[8, 12], [20, 24]]),
    ],
)
def test_strides_pad_as_tensorflow_does(kernel: int, side: int, expected: list[list[int]]) -> None:
    image = torch.arange(float(side**2)).view(1, 1, side, side)
    torch.testing.assert_close(counting(kernel, 2)(image)[0, 0], torch.tensor(expected, dtype=torch.float32))


def test_without_a_stride_the_padding_is_even() -> None:
    found = counting(3, 1)(torch.ones(1, 1, 3, 3))[0, 0]
    torch.testing.assert_close(found, torch.tensor([[4.0, 6, 4], [6, 9, 6], [4, 6, 4]]))


def test_values_end_at_six_and_only_equal_shapes_have_a_shortcut() -> None:
    """Both are read off the outputs: with all weights 0, a block is its shortcut."""
    layer: Any = convolution(1, 1, NORM).eval()
    nn.init.ones_(layer.conv.weight)
    assert layer(torch.tensor([-1.0, 3.0, 100.0]).view(1, 1, 1, 3)).flatten().tolist() == pytest.approx([0, 3, 6], 1e-3)
    for spacing, outputs, shortcut in (((1, 1), 8, True), ((1, 2), 8, True), ((2, 1), 8, False), ((1, 1), 9, False)):
        block = InvertedResidual(8, outputs, 6, 5, spacing, NORM).eval()
        for weight in block.parameters():
            nn.init.zeros_(weight)
        assert bool(block(torch.ones(1, 8, 4, 4)).any()) == shortcut


def test_every_output_stride_is_one_network() -> None:
    """The same weights fit all; every second value of a denser map is that of the coarser one. As a stride of
    TensorFlow's begins one further to the right and down than one of PyTorch's, they are the odd ones."""
    torch.manual_seed(0)
    coarse = EfficientNetLite(0, 32).eval()
    for module in coarse.modules():
        if isinstance(module, nn.Conv2d):  # keeps the values at the size of the image's through all layers
            nn.init.kaiming_normal_(module.weight)
    image, maps = torch.randn(1, 3, 64, 64), {}
    for stride in (32, 16, 8):
        same = EfficientNetLite(0, stride).eval()
        same.load_state_dict(coarse.state_dict())
        maps[stride] = same(image)[-1]
        assert maps[stride].shape[2:] == (64 // stride, 64 // stride)
    assert maps[32].std() > 0.1
    torch.testing.assert_close(maps[16][..., 1::2, 1::2], maps[32], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(maps[8][..., 1::2, 1::2], maps[16], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("given", "message"), [({"variant": 3}, "0, 1 or 2"), ({"output_stride": 4}, "8, 16 or 32")])
def test_what_does_not_exist_is_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EfficientNetLite(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["unet-lite0", "deeplabv3plus-lite0", "fcn-lite0"])
def test_pixels_are_normalised_as_for_its_weights(name: str) -> None:
    """(pixel - 127) / 128 for each channel, not ImageNet's mean and deviation; other networks keep those."""
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    model = build_model(resolve(name, "small"), 3, FP32)
    inputs = model.data_preprocessor({"inputs": pixels}, False)["inputs"]
    assert inputs[0, :, 5, 7].tolist() == [-127 / 128, 0, 1]
    assert resolve("unet-r18", "small")["model"]["data_preprocessor"]["mean"] == [123.675, 116.28, 103.53]


@pytest.mark.parametrize("name", ["unet-lite1", "deeplabv3plus-lite1", "fcn-lite1"])
def test_small_narrows_the_decoder_alone(name: str) -> None:
    """So that ImageNet's weights fit at either scale."""
    small, full = (resolve(name, scale)["model"] for scale in ("small", "full"))
    assert small["backbone"] == full["backbone"] and small["decode_head"] != full["decode_head"]
