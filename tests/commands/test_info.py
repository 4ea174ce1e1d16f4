"""Receptive fields, FLOPs and parameters against what is worked out by hand and what papers say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from commands._field import receptive_fields
from pixelproof.networks.vgg import VGG16
from pixelproof.nn.build import build_model
from pixelproof.nn.facts import measured
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from tests.forked import run_forked
from tests.stages.train.conftest import Workspace

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


def field(*layers: nn.Module) -> int | None:
    """The receptive field of layers one after another."""
    network = nn.Sequential(*layers).eval()
    return receptive_fields(lambda images: [network(images)])[0]


def test_stacks_of_convolutions_by_hand() -> None:
    """Each layer adds (k - 1) * dilation * the product of the strides before it to 1."""
    assert field(nn.Conv2d(3, 1, 1)) == 1
    assert field(nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1)) == 5
    stem = nn.Conv2d(3, 2, 7, stride=2, padding=3)  # 7
    pool = nn.MaxPool2d(3, stride=2, padding=1)  # + 2 * 2 = 11
    dilated = nn.Conv2d(2, 2, 3, padding=4, dilation=4)  # + 8 * 4 = 43
    assert field(stem, nn.BatchNorm2d(2), nn.Hardswish(), pool, dilated) == 43
    # Weights of nothing, and a ReLU that is shut: what a layer depends on is its form, not its numbers.
    shut = nn.Conv2d(3, 1, 5, padding=2)
    nn.init.zeros_(shut.weight)
    nn.init.constant_(shut.bias, -1.0)  # type: ignore[arg-type]
    assert field(shut, nn.ReLU()) == 5
    # Kernels that are not square: the height.
    assert field(nn.Conv2d(3, 1, (9, 1), padding=(4, 0)), nn.Conv2d(1, 1, (1, 5), padding=(0, 2))) == 9
    # A field that does not fit into the first image that is tried: 1 + 300.
    assert field(nn.Conv2d(3, 1, 3, padding=150, dilation=150)) == 301


def test_vgg16_has_the_known_fields() -> None:
    """conv5_3 sees 196 pixels and pool5 212 (Luo et al. 2016; Araujo, Norris and Sim 2019); the others add up."""
    for pooled, expected in ((False, [5, 14, 40, 92, 196]), (True, [6, 16, 44, 100, 212])):
        network = VGG16(channels=(2, 2, 2, 2, 2), pooled=pooled).eval()
        assert receptive_fields(network) == expected


class WithSqueeze(nn.Module):
    """A local map, and one that is weighed by the mean over the whole image."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, images * images.mean(dim=(2, 3), keepdim=True).sigmoid()]


def test_pooling_over_the_whole_image_sees_it_all() -> None:
    assert receptive_fields(WithSqueeze()) == [1, None]


class Tiny(nn.Module):
    """A convolution that halves, one on its map, and a product of maps between layers."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.head = nn.Conv2d(4, 5, 1, bias=False)

    def data_preprocessor(self, data: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        return {"inputs": data["inputs"].float()}

    def encode_decode(self, inputs: Tensor, metas: object) -> Tensor:
        scores: Tensor = self.head(self.backbone(inputs))
        return torch.matmul(scores, scores)


def test_flops_and_parameters_by_hand() -> None:
    """2 * inputs * k * k for each value of a map: 16x16 of them on an image of 32x32."""
    parts, total, shapes = measured(Tiny().to("meta"), 32, 32)
    encoder, head, product = 2 * 27 * 4 * 256, 2 * 4 * 5 * 256, 2 * 5 * 16**3
    assert [(name, count, flops) for name, _, count, flops in parts] == [
        ("backbone", 3 * 4 * 9 + 4, encoder),
        ("head", 20, head),
        ("between layers", 0, product),
    ]
    assert total == encoder + head + product
    assert shapes == [(4, 16, 16), (5, 16, 16)]


def test_segformer_costs_what_its_paper_says() -> None:
    """B0 with 150 classes at 512x512: 3.8 M parameters and 8.4 G, in multiply-adds (Xie et al. 2021, table 2)."""
    parts, total, _ = measured(build_model(resolve("segformer-b0", "full"), 150, FP32).to("meta"), 512, 512)
    assert round(total / 2e9, 1) == 8.4
    assert round(sum(count for name, _, count, _ in parts if "." not in name) / 1e6, 1) == 3.8


def info(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    return run_forked(["-m", "commands", "info", *arguments], root)


def test_the_command_knows_any_architecture(workspace: Workspace) -> None:
    """One that params.yaml does not name, at another scale; nothing is left behind."""
    root = workspace(arch="unet")
    before = sorted(root.rglob("*"))
    done = info(root, "segnet-basic", "--scale", "small", "--size", "64x96", "--classes", "4")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    model = build_model(resolve("segnet-basic", "small"), 4, FP32)
    parameters = sum(weight.numel() for weight in model.parameters())
    assert done.stdout.startswith("segnet-basic at scale small, 4 classes, one image of 64x96\n")
    assert next(line for line in lines if line[:1] == ["total"])[1] == f"{parameters:,}"
    # Four 7x7 convolutions with pooling: 1 + sum of (6 + 1) * 2^i for i of 0 to 3, and strides 2^4.
    assert next(line for line in lines if line[:3] == ["encoder", "map", "0"])[-2:] == ["16", "106"]
    assert next(line for line in lines if line[:1] == ["logits"])[1] == "4x64x96"
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unett",), "error: params.yaml: architectures: found 'unett'; allowed: bisenetv2, "),
        (("unet", "--size", "64"), "expected HEIGHTxWIDTH such as 512x1024, found '64'"),
        (("unet", "--classes", "0"), "expected a whole number above 0, found '0'"),
    ],
)
def test_mistakes_are_one_line(workspace: Workspace, arguments: tuple[str, ...], message: str) -> None:
    done = info(workspace(), *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
