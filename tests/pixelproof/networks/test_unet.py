"""The U-Nets: the paper's layers counted by hand, the others' published sizes, and what skips and dropout do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixelproof.networks.unet_decoder import UNetHead, Upsample
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
FULL_SIZE = {"unet-bn": (1, 2, 4, 8, 16), "unet-bn-dropout": (1, 2, 4, 8, 16)}
FULL_SIZE |= {f"unet-vgg16{suffix}": (1, 2, 4, 8, 16) for suffix in ("", "-bn", "-bn-dropout")}
HALF_SIZE = {f"unet-{encoder}": (2, 4, 8, 16, 32) for encoder in ("r18", "r34", "r50", "mobilenetv2")}
STRIDES = FULL_SIZE | HALF_SIZE

# Figure 1 of the paper, for RGB: (from, to, kernel) of each convolution, blue arrows 3 and green arrows 2.
CONTRACTING = [(3, 64, 3), (64, 64, 3), (64, 128, 3), (128, 128, 3), (128, 256, 3), (256, 256, 3)]
CONTRACTING += [(256, 512, 3), (512, 512, 3), (512, 1024, 3), (1024, 1024, 3)]
EXPANSIVE = [(1024, 512, 2), (1024, 512, 3), (512, 512, 3), (512, 256, 2), (512, 256, 3), (256, 256, 3)]
EXPANSIVE += [(256, 128, 2), (256, 128, 3), (128, 128, 3), (128, 64, 2), (128, 64, 3), (64, 64, 3)]


def build(name: str, scale: str, classes: int = 2, plain: bool = False, **head: Any) -> Any:
    """A network with changes to its decoder; `plain` is without batch norm."""
    config = resolve(name, scale)
    config["model"]["decode_head"].update(head)
    if plain:
        config["model"]["backbone"]["norm"], config["model"]["decode_head"]["norm_cfg"] = False, None
    return build_model(config, classes, FP32)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def convolutions(module: nn.Module) -> list[tuple[int, int, int]]:
    found = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    return [(conv.in_channels, conv.out_channels, conv.kernel_size[0]) for conv in found]


def small_head(upsample: Upsample = "transposed", **knobs: Any) -> tuple[UNetHead, list[Tensor]]:
    """A decoder without normalisation for three feature maps, and three such maps."""
    torch.manual_seed(0)
    head = UNetHead((3, 5, 7), (8, 9), upsample, num_classes=4, **knobs)
    maps = [torch.randn(1, channels, 24 // 2**i, 40 // 2**i) for i, channels in enumerate((3, 5, 7))]
    return head, maps


def test_unet_bn_has_the_papers_23_convolutions() -> None:
    """31,030,658 is what the paper's network has for one grey channel; RGB adds 2 x 64 kernels of 3x3."""
    with torch.device("meta"):
        plain, normed = build("unet-bn", "full", plain=True), build("unet-bn", "full")
    assert convolutions(plain.backbone) == CONTRACTING
    assert convolutions(plain.decode_head.blocks) == EXPANSIVE
    assert convolutions(plain.decode_head.conv_seg) == [(64, 2, 1)]
    assert count(plain) == 31_030_658 + 2 * 64 * 9
    assert convolutions(normed) == convolutions(plain)
    # Each 3x3 convolution gives up its bias for batch norm's scale and shift.
    assert count(normed) - count(plain) == 2 * (64 + 128 + 256 + 512) * 2 + 1024 * 2


@pytest.mark.parametrize(("name", "published"), [("r18", 14_328_209), ("r34", 24_436_369), ("r50", 32_521_105)])
def test_resnet_unets_have_the_published_size(name: str, published: int) -> None:
    """segmentation_models_pytorch's counts for one class; its last convolution is 3x3, ours is U-Net's 1x1."""
    with torch.device("meta"):
        model = build(f"unet-{name}", "full", classes=3)
    ours, theirs = 16 * 3 + 3, 16 * 9 + 1
    assert count(model) - ours == published - theirs


def test_mobilenet_unet_has_the_published_size_up_to_the_last_layer_of_the_encoder() -> None:
    """segmentation_models_pytorch keeps MobileNetV2's 1x1 convolution from 320 to 1280 channels, made for pooling."""
    with torch.device("meta"):
        model = build("unet-mobilenetv2", "full", classes=3)
    ours, theirs = 16 * 3 + 3, 16 * 9 + 1
    last = 320 * 1280 + 2 * 1280 + (1280 - 320) * 256 * 9
    assert count(model) - ours == 6_628_945 - theirs - last


@pytest.mark.parametrize("name", STRIDES)
def test_each_encoder_returns_five_maps_and_the_decoder_the_size_of_the_image(name: str) -> None:
    """No resizing afterwards: the head itself must end at the image's size."""
    model = build(name, "small", classes=5).eval()
    with torch.no_grad():
        maps = model.backbone(torch.randn(1, 3, 96, 160))
        logits = model.decode_head(maps)
    assert [tuple(m.shape[2:]) for m in maps] == [(96 // stride, 160 // stride) for stride in STRIDES[name]]
    assert [m.shape[1] for m in maps] == list(model.decode_head.in_channels)
    assert logits.shape == (1, 5, 96, 160)


@pytest.mark.parametrize("upsample", ["transposed", "bilinear"])
@pytest.mark.parametrize("name", STRIDES)
def test_both_upsamplings_work_with_every_encoder(name: str, upsample: str) -> None:
    """Set by overrides: up-convolutions at every level or at none, and logits of the same size."""
    with torch.device("meta"):
        model = build_model(resolve(name, "small", {"decode_head.upsample": upsample}), 5, FP32).eval()
        assert model.decode_head(model.backbone(torch.randn(1, 3, 96, 160))).shape == (1, 5, 96, 160)
    ups = [isinstance(block.up, nn.ConvTranspose2d) for block in model.decode_head.blocks]
    assert ups == [upsample == "transposed"] * len(ups)


@pytest.mark.parametrize(("upsample", "widths"), [("transposed", [8 + 5, 9 + 3]), ("bilinear", [7 + 5, 8 + 3])])
def test_each_skip_is_concatenated_and_matters(upsample: Upsample, widths: list[int]) -> None:
    """A level's first convolution sees the up-sampled map and the skip; zeroing any one map changes the logits."""
    head, maps = small_head(upsample)
    convolutions_of_levels = [convolutions(block.get_submodule("convolve")) for block in head.blocks]
    assert [level[0][0] for level in convolutions_of_levels] == widths
    whole = head(maps)
    for i in range(3):
        without = [torch.zeros_like(m) if j == i else m for j, m in enumerate(maps)]
        assert (head(without) - whole).abs().max() > 1e-3


def test_skips_that_are_added_give_what_a_sum_gives() -> None:
    """By hand: each level's map, up-sampled, plus the skip, whose 5 channels a 1x1 convolution brings to 8."""
    torch.manual_seed(0)
    head = UNetHead((9, 5, 7), (8, 9), "transposed", "sum", num_classes=4)
    maps = [torch.randn(1, channels, 24 // 2**i, 40 // 2**i) for i, channels in enumerate((9, 5, 7))]
    blocks: list[Any] = list(head.blocks)
    first, second = blocks
    assert [convolutions(block.get_submodule("convolve"))[0][0] for block in head.blocks] == [8, 9]
    assert isinstance(first.fit, nn.Conv2d) and isinstance(second.fit, nn.Identity)
    x = first.convolve(first.up(maps[2]) + nn.functional.conv2d(maps[1], first.fit.weight, first.fit.bias))
    x = second.convolve(second.up(x) + maps[0])
    torch.testing.assert_close(head(maps), head.conv_seg(x))


@pytest.mark.parametrize("upsample", ["transposed", "bilinear"])
@pytest.mark.parametrize("name", ["unet-bn", "unet-vgg16", "unet-r18"])
def test_sums_work_over_encoders(name: str, upsample: str) -> None:
    """By overrides. With the paper's own widths no convolution is added: a skip is as wide as what it is added to."""
    changes = {"decode_head.upsample": upsample, "decode_head.skips": "sum"}
    with torch.device("meta"):
        model = build_model(resolve(name, "small", changes), 5, FP32).eval()
        assert model.decode_head(model.backbone(torch.randn(1, 3, 96, 160))).shape == (1, 5, 96, 160)
    if name == "unet-bn" and upsample == "transposed":
        assert all(isinstance(block.fit, nn.Identity) for block in model.decode_head.blocks)


def test_dropout_affects_only_the_deepest_map_and_only_in_training() -> None:
    """Dropping everything equals a deepest map of zeros: the skips are intact."""
    head, maps = small_head(dropout=1.0)
    blind = head.eval()([*maps[:-1], torch.zeros_like(maps[-1])])
    assert (blind - head(maps)).abs().max() > 1e-3
    assert torch.equal(head.train()(maps), blind)


@pytest.mark.parametrize("name", ["unet-bn", "unet-vgg16-bn"])
def test_the_dropout_variants_differ_only_in_dropout(name: str) -> None:
    """Half of the deepest map, as in the authors' network; no other dropout anywhere."""
    for variant, expected in ((name, {0.0}), (f"{name}-dropout", {0.5})):
        model = build(variant, "small")
        assert {m.p for m in model.modules() if isinstance(m, nn.Dropout | nn.Dropout2d)} == expected
    assert resolve(name, "full")["model"]["backbone"] == resolve(f"{name}-dropout", "full")["model"]["backbone"]


def test_too_few_widths_are_refused() -> None:
    """A skip that nothing uses would be dropped silently."""
    with pytest.raises(ValueError, match="3 feature maps need 2 widths or more"):
        UNetHead((3, 5, 7), (8,), num_classes=4)
