"""MMSegmentation's zoo: our files against published sizes, others by a file of one line, and what losses need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmseg.datasets.transforms import GenerateEdge
from mmseg.models.losses.ohem_cross_entropy_loss import OhemCrossEntropy

from pixelproof.core.errors import DataError
from pixelproof.networks.hard_pixels import HardPixelCrossEntropy
from pixelproof.networks.pidnet import boundaries
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure import resolve as module
from stages.configure.resolve import resolve, walk
from stages.train.heads import set_losses
from stages.train.params import LossTerm

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "classes", "published", "training_only"),
    [
        ("segformer-b0", 150, 3.8e6, ()),
        ("ddrnet23s", 19, 5.7e6, ("decode_head.aux",)),
        ("pidnet-s", 19, 7.6e6, ("decode_head.p_", "decode_head.d_")),
        ("ocrnet-hr48", 19, 70.4e6, ()),
    ],
)
def test_full_networks_have_the_published_number_of_parameters(
    name: str, classes: int, published: float, training_only: tuple[str, ...]
) -> None:
    """Millions of parameters used in prediction, as published in the papers."""
    with torch.device("cpu" if name == "segformer-b0" else "meta"):  # its stochastic depth reads tensor values
        model = build_model(resolve(name, "full"), classes, FP32)
    count = sum(weight.numel() for key, weight in model.named_parameters() if not key.startswith(training_only))
    assert count == pytest.approx(published, rel=0.015)


# --- what losses need ------------------------------------------------------------------------------------------------


def test_boundaries_are_those_of_mmsegmentation() -> None:
    """Pixel for pixel what `GenerateEdge` draws with OpenCV; pixels without a class have no boundary."""
    rng = np.random.default_rng(0)
    mask = np.kron(rng.choice([0, 1, 2, 255], (7, 9)), np.ones((11, 6))).astype(np.uint8)
    drawn = GenerateEdge(edge_width=4).transform({"img_shape": mask.shape, "gt_seg_map": mask})["gt_edge_map"]
    ours = boundaries(torch.from_numpy(mask).long()[None, None])
    assert 0 < drawn.mean() < 1
    np.testing.assert_array_equal(ours[0, 0].numpy(), drawn)


def certain(probabilities: list[float]) -> torch.Tensor:
    """Logits of two classes for a row of pixels, whose first class has these probabilities."""
    logits = torch.tensor(probabilities, dtype=torch.float64).logit(eps=1e-12).float()
    return torch.stack([logits, torch.zeros_like(logits)])[None, :, None, :].requires_grad_()


def test_hard_pixels_by_hand() -> None:
    """Of the probabilities 0.5, 0.8 and 0.95 of the true class, 0.9 keeps two; asked for all, it keeps all."""
    target = torch.zeros(1, 1, 4, dtype=torch.long)
    target[..., 3] = 255
    score = certain([0.5, 0.8, 0.95, 0.1])
    losses = -np.log([0.5, 0.8, 0.95])
    assert HardPixelCrossEntropy(0.9, 0.0)(score, target).item() == pytest.approx(losses[:2].mean())
    assert HardPixelCrossEntropy(0.9, 1.0)(score, target).item() == pytest.approx(losses.mean())
    weighed = HardPixelCrossEntropy(0.9, 0.0, loss_weight=0.4, class_weight=[3.0, 1.0])
    assert weighed(score, target).item() == pytest.approx(0.4 * 3 * losses[:2].mean())


def test_hard_pixels_are_those_of_mmsegmentation_where_there_are_enough() -> None:
    torch.manual_seed(0)
    score, target = torch.randn(2, 5, 16, 16) * 3, torch.randint(0, 5, (2, 16, 16))
    target[0, :4] = 255
    theirs = OhemCrossEntropy(thres=0.7, min_kept=8)(score, target)
    torch.testing.assert_close(HardPixelCrossEntropy(0.7, 0.01)(score, target), theirs)


@pytest.mark.parametrize("probabilities", [[0.99], [1.0, 1.0]])
def test_hard_pixel_loss_is_finite_where_all_are_easy_or_ignored(probabilities: list[float]) -> None:
    """MMSegmentation's loss is NaN in the first case: the mean of nothing."""
    score = certain(probabilities)
    target = torch.zeros(1, 1, len(probabilities), dtype=torch.long)
    assert OhemCrossEntropy(thres=0.9)(score, target).isnan()
    for masked in (target, torch.full_like(target, 255)):
        loss = HardPixelCrossEntropy(0.9, 0.5)(score, masked)
        assert loss.isfinite()
        loss.backward()


# --- any config of the zoo -------------------------------------------------------------------------------------------


def one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> dict[str, Any]:
    """The resolved config of a one-line file."""
    monkeypatch.setattr(module, "ARCHITECTURES", tmp_path)
    (tmp_path / "mine.py").write_text(f"_base_ = 'mmseg::{base}'\n")
    return resolve("mine", "full")


ZOO = [
    "upernet/upernet_r50_4xb4-80k_ade20k-512x512.py",
    "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py",
    "pspnet/pspnet_r50-d8_4xb2-80k_cityscapes-769x769.py",
    "unet/unet-s5-d16_fcn_4xb4-ce-1.0-dice-3.0-40k_drive-64x64.py",
    "icnet/icnet_r18-d8_4xb2-80k_cityscapes-832x832.py",
    "cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py",  # accepts only tuples
    "sem_fpn/fpn_r50_4xb2-80k_cityscapes-512x1024.py",  # accepts only lists
    "fastfcn/fastfcn_r50-d32_jpu_psp_4xb2-80k_cityscapes-512x1024.py",
]


@pytest.mark.parametrize("base", ZOO)
def test_one_line_is_an_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    """A whole experiment becomes a network for our classes and images of our size; nothing of its own data remains."""
    config = one_line(tmp_path, monkeypatch, base)
    parts = walk(config["model"])
    assert config["model"]["data_preprocessor"]["type"] == "Normalize"
    assert config["model"]["test_cfg"] == {"mode": "whole"}
    assert not any(part.get("type") in ("SyncBN", "Pretrained") or "pretrained" in part for part in parts)
    assert not any(part.get("class_weight") or part.get("num_classes") for part in parts)
    with torch.device("cpu" if "swin" in base else "meta"):  # its stochastic depth reads tensor values
        model = build_model(config, 5, FP32)
        logits = model.eval().encode_decode(torch.zeros(1, 3, 64, 96), [{"img_shape": (64, 96)}])
    assert logits.shape == (1, 5, 64, 96)


@pytest.mark.parametrize(
    "base",
    [
        "stdc/stdc1_4xb12-80k_cityscapes-512x1024.py",  # its heads sample hard pixels
        "pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py",  # it needs boundaries
    ],
)
def test_one_line_trains_with_the_losses_of_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    """Heads that normally need more than masks, or sample pixels, do without; each has a loss."""
    model = build_model(one_line(tmp_path, monkeypatch, base), 3, FP32)
    set_losses(model, [LossTerm(name="cross_entropy", weight=1.0)], [0.5, 1.0, 2.0])
    batch = {
        "inputs": torch.zeros(2, 3, 64, 64, dtype=torch.uint8),
        "masks": torch.zeros(2, 64, 64, dtype=torch.uint8),
    }
    losses = model.train()(**model.data_preprocessor(batch, True), mode="loss")
    found = [value for name, value in losses.items() if "loss" in name]
    assert len(found) >= 2 and all(bool(value.isfinite()) for value in found)


def test_initialisers_that_would_download_weights_are_removed() -> None:
    rules: list[Any] = [{"type": "Pretrained", "checkpoint": "x"}, {"type": "Kaiming"}]
    assert module.unfetched(rules) == [{"type": "Kaiming"}]
    assert module.unfetched(rules[:1]) is None and module.unfetched({"type": "Kaiming"}) == {"type": "Kaiming"}


def test_a_network_of_large_images_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LRASPP pools windows of 49 pixels at stride 8: an error of one line, in training and in prediction."""
    base = "mobilenet_v3/mobilenet-v3-d8-s_lraspp_4xb4-320k_cityscapes-512x1024.py"
    with torch.device("meta"):
        model = build_model(one_line(tmp_path, monkeypatch, base), 5, FP32).eval()
        with pytest.raises(
            DataError, match=r"mine\.py: expected images of 392 pixels or more, found 400x320; set prep"
        ):
            model.encode_decode(torch.zeros(1, 3, 320, 400), [{"img_shape": (320, 400)}])
        logits = model.encode_decode(torch.zeros(1, 3, 416, 416), [{"img_shape": (416, 416)}])
    assert logits.shape == (1, 5, 416, 416)


@pytest.mark.parametrize(
    ("base", "needed"),
    [
        ("point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py", "onedl-mmcv onedl-mmcv`"),
        ("psanet/psanet_r50-d8_4xb2-80k_cityscapes-512x1024.py", "onedl-mmcv onedl-mmcv`"),
        ("mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py", "pip install onedl-mmdetection`"),
        ("maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py", "pip install onedl-mmdetection`"),
    ],
)
def test_what_needs_compiled_operators_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str, needed: str
) -> None:
    """One line that names the file and the commands."""
    config = one_line(tmp_path, monkeypatch, base)
    with torch.device("meta"), pytest.raises(DataError) as error:
        build_model(config, 5, FP32)
    message = str(error.value)
    assert message.startswith("architectures/mine.py: ") and "\n" not in message
    assert "--no-build-isolation" in message and message.endswith(needed)
