"""SegNet, SegNet-Basic and DeconvNet: un-pooling against torch's, layers and parameters against the papers'."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from pixelproof.networks.deconvnet import fully_connected
from pixelproof.networks.vgg import unpool
from pixelproof.nn.build import build_model
from stages.configure.resolve import resolve
from tests.pixelproof.networks.gradients import FP32, bf16_error, without_gradient

NAMES = ["segnet", "segnet-basic", "deconvnet"]


def full_on_meta(name: str, classes: int) -> Any:
    """A network at the paper's size, without memory for its weights."""
    with torch.device("meta"):
        return build_model(resolve(name, "full"), classes, FP32).eval()


def convolved(model: Any, size: int) -> list[tuple[int, int]]:
    """The channels and the size of each convolution's output, in the order of execution."""
    given: list[tuple[int, int]] = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda _, __, out: given.append((out.shape[1], out.shape[3])))
    model.decode_head(model.backbone(torch.zeros(1, 3, size, size, device="meta")))
    return given


def test_unpool_is_max_unpool2d() -> None:
    """The same values and the same gradients as torch's, which has no deterministic form on CUDA."""
    image = torch.rand(2, 3, 6, 8)
    small, indices = functional.max_pool2d(image, 2, return_indices=True)
    ours, theirs = small.clone().requires_grad_(), small.clone().requires_grad_()
    unpooled, expected = unpool(ours, indices, 6, 8), functional.max_unpool2d(theirs, indices, [2, 2])
    assert torch.equal(unpooled, expected)
    gradients = [torch.autograd.grad((out * image).sum(), x)[0] for out, x in [(unpooled, ours), (expected, theirs)]]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_unpools_where_the_encoder_pooled(name: str) -> None:
    """Moving the maxima of one stage to the other column of their windows changes the scores, whichever stage it is."""
    torch.manual_seed(0)
    model = build_model(resolve(name, "small"), 5, FP32).eval()
    model.init_weights()
    x, *indices = model.backbone(torch.rand(1, 3, 64, 64))
    scores = model.decode_head([x, *indices])
    assert scores.shape == (1, 5, 64, 64)
    for number, index in enumerate(indices):
        moved = [*indices[:number], index ^ 1, *indices[number + 1 :]]
        change = model.decode_head([x, *moved]) - scores
        assert change.std() > 0.01 * scores.std(), f"stage {number}"


def test_full_segnet_is_the_papers() -> None:
    """The authors' network for CamVid: VGG16's 13 convolutions and their mirror, the last one giving the 11 classes.
    About 29.5 M parameters are published. The authors' convolutions also have a bias each, which batch norm takes out
    again: with those it is 29.449 M. Ours have none."""
    model = full_on_meta("segnet", 11)
    encoder = [(64, 64), (64, 64), (128, 32), (128, 32), *[(256, 16)] * 3, *[(512, 8)] * 3, *[(512, 4)] * 3]
    decoder = [*[(512, 4)] * 3, *[(512, 8)] * 2, (256, 8), (256, 16), (256, 16), (128, 16), (128, 32), (64, 32)]
    assert convolved(model, 64) == [*encoder, *decoder, (64, 64), (11, 64)]
    parameters = sum(p.numel() for p in model.parameters())
    widths = [width for width, _ in (*encoder, *decoder, (64, 64))]
    weights = sum(9 * a * b for a, b in zip([3, *widths], [*widths, 11], strict=True))
    assert parameters == weights + 2 * sum(widths) + 11 == 29_441_419
    assert parameters + sum(widths) == 29_449_355


def test_full_segnet_basic_is_the_papers() -> None:
    """Section 3.1: 64 channels and 7x7 throughout, no bias, no ReLU in the decoder; a pixel of the deepest map sees a
    window of 106x106. About 1.4 M parameters: seven 7x7 convolutions of 64 to 64 channels and one of 3 to 64, eight
    batch norms, and a 1x1 convolution to the 11 classes."""
    model = full_on_meta("segnet-basic", 11)
    assert convolved(model, 64) == [
        (64, 64),
        (64, 32),
        (64, 16),
        (64, 8),
        (64, 8),
        (64, 16),
        (64, 32),
        (64, 64),
        (11, 64),
    ]
    assert not [module for module in model.decode_head.modules() if isinstance(module, nn.ReLU)]
    seen, stride = 1, 1
    for module in model.backbone.modules():
        if isinstance(module, nn.Conv2d):
            seen += (module.kernel_size[0] - 1) * stride + stride  # the convolution, then its 2x2 pooling
            stride *= 2
    assert seen == 106
    expected = 7 * 49 * 64 * 64 + 49 * 3 * 64 + 8 * 2 * 64 + 64 * 11 + 11
    assert sum(p.numel() for p in model.parameters()) == expected == 1_416_075


def test_full_deconvnet_is_the_papers() -> None:
    """The paper's table of layers, at its 224x224. There fc6 and fc7 give 1x1; ours are padded and keep 7x7.
    It counts about 252 M parameters; so do we, 251.8 M without the biases that batch norm takes out again."""
    model = full_on_meta("deconvnet", 21)
    layers = [(64, 224)] * 2 + [(128, 112)] * 2 + [(256, 56)] * 3 + [(512, 28)] * 3 + [(512, 14)] * 3
    layers += [(4096, 7), (4096, 7), (512, 13)]  # fc6, fc7, and deconv-fc6, which is then cropped
    layers += [(512, 14)] * 3 + [(512, 28)] * 2 + [(256, 28)] + [(256, 56)] * 2 + [(128, 56)]
    layers += [(128, 112), (64, 112), (64, 224), (64, 224)]
    assert convolved(model, 224) == [*layers, (21, 224)]
    widths = [3, *(width for width, _ in layers)]
    kernels = [3] * 13 + [7, 1, 7] + [3] * 13
    weights = sum(k * k * a * b for k, a, b in zip(kernels, widths, widths[1:], strict=False))
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters == weights + 2 * sum(widths[1:]) + 64 * 21 + 21 == 251_788_949


@pytest.mark.parametrize("layer", [1, 7])
def test_bf16_gradients_of_fc6_and_its_mirror_on_a_map_smaller_than_their_kernel(layer: int) -> None:
    """An image of 64x64 has a map of 2x2. With padding inside the convolution, most of the gradient is never set."""
    torch.manual_seed(0)
    layers = fully_connected(128, 128).eval()
    weight = layers[layer].weight
    assert isinstance(weight, nn.Parameter) and weight.shape[2:] == (7, 7)
    assert bf16_error(layers, weight, torch.rand(4, 128, 2, 2)) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    """No unused weights."""
    assert without_gradient(name) == []
