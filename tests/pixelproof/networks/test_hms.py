"""Hierarchical multi-scale attention against the paper's equation, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pixelproof.networks.hms import merge, merged
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return build_model(resolve("ocrnet-hr48-hms", "small"), 5, FP32)


def plane(*rows: list[float]) -> Tensor:
    return torch.tensor([[list(rows)]])


def test_two_scales_merge_as_worked_by_hand() -> None:
    """Half-scale logits 4 with attention 1/4, full-scale logits 0 to 12: 4/4 + 3/4 of each."""
    higher = plane([0.0, 4.0], [8.0, 12.0])
    merged = merge(plane([4.0]), plane([0.25]), higher, (2, 2))
    torch.testing.assert_close(merged, plane([1.0, 4.0], [7.0, 10.0]))
    # At the lower scale's size the higher one is averaged first: (0 + 4 + 8 + 12) / 4 = 6, and 1 + 3/4 of 6 = 5.5.
    torch.testing.assert_close(merge(plane([4.0]), plane([0.25]), higher, (1, 1)), plane([5.5]))


def test_the_attention_is_multiplied_before_it_is_resized() -> None:
    """U(a * l), not U(a) * U(l). Bilinear from 2 to 4 pixels takes 0, 1/4, 3/4, 1 of the way."""
    lower, attention = plane([0.0, 8.0]), plane([0.0, 1.0])
    merged = merge(lower, attention, plane([4.0] * 4), (1, 4))
    # U(a * l) = 0, 2, 6, 8; (1 - U(a)) * 4 = 4, 3, 1, 0.
    torch.testing.assert_close(merged, plane([4.0, 5.0, 7.0, 8.0]))


def test_full_attention_takes_the_lower_scale_and_none_the_higher() -> None:
    lower, higher = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 8, 8)
    upper = torch.nn.functional.interpolate(lower, (8, 8), mode="bilinear")
    torch.testing.assert_close(merge(lower, torch.ones(2, 1, 4, 4), higher, (8, 8)), upper)
    torch.testing.assert_close(merge(lower, torch.zeros(2, 1, 4, 4), higher, (8, 8)), higher)


def test_three_scales_chain_from_the_largest(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """a(1/2) l(1/2) + (1 - a(1/2)) (a(1) l(1) + (1 - a(1)) l(2)), at the size of scale 1; a(2) is not used."""
    facts = {0.5: (8.0, 0.25), 1.0: (4.0, 0.5), 2.0: (2.0, 0.9)}

    def at_scale(inputs: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        logits, attention = facts[scale]
        side = int(4 * scale)
        both = torch.cat([torch.full((1, 5, side, side), -logits), torch.full((1, 5, side, side), logits)], dim=1)
        return both, torch.full((1, 1, side, side), attention)

    monkeypatch.setattr(model, "at_scale", at_scale)
    coarse, fine = merged(model.at_scales(torch.zeros(1, 3, 16, 16), (1.0, 0.5, 2.0)))
    by_hand = 0.25 * 8 + 0.75 * (0.5 * 4 + 0.5 * 2)
    torch.testing.assert_close(fine, torch.full((1, 5, 4, 4), by_hand))
    torch.testing.assert_close(coarse, -fine)
    _, two = merged(model.at_scales(torch.zeros(1, 3, 16, 16), (0.5, 1.0)))
    torch.testing.assert_close(two, torch.full((1, 5, 4, 4), 0.25 * 8 + 0.75 * 4))


def test_it_trains_two_scales_and_their_attention(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both heads have a loss, and their gradient reaches the attention."""
    seen: list[tuple[int, ...]] = []
    features = model.extract_feat

    def watched(images: Tensor) -> Any:
        seen.append(tuple(images.shape[2:]))
        return features(images)

    monkeypatch.setattr(model, "extract_feat", watched)
    batch = {"inputs": torch.randint(0, 256, (2, 3, 64, 64)), "masks": torch.randint(0, 5, (2, 64, 64))}
    losses = model.train()(**model.data_preprocessor(batch, True), mode="loss")
    sum(value for name, value in losses.items() if "loss" in name).backward()
    assert seen == [(64, 64), (32, 32)]
    trained = {"decode_0.loss_ce", "decode_1.loss_ce", "scale_0.5.loss_ce", "scale_1.loss_ce"}
    assert {name for name in losses if "loss" in name} == trained
    assert all(weight.grad.abs().sum() > 0 for weight in model.decode_head[1].attention[0].parameters())
    model.zero_grad()


def test_each_scale_has_a_loss_on_its_own_logits_with_a_small_weight(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.05 of the cross-entropy of each scale's OCR logits, resized to the masks; none with a weight of 0."""
    torch.manual_seed(1)
    maps = {scale: torch.randn(2, 10, int(16 * scale), int(16 * scale)) for scale in (0.5, 1.0)}
    monkeypatch.setattr(model, "at_scale", lambda _, scale: (maps[scale], torch.full_like(maps[scale][:, :1], 0.3)))
    masks = torch.randint(0, 5, (2, 64, 64))
    masks[0, :8] = 255
    batch = model.data_preprocessor({"inputs": torch.zeros(2, 3, 64, 64), "masks": masks}, True)
    losses = model.loss(**batch)
    for scale, name in ((0.5, "scale_0.5.loss_ce"), (1.0, "scale_1.loss_ce")):
        logits = torch.nn.functional.interpolate(maps[scale][:, 5:], (64, 64), mode="bilinear")
        each = torch.nn.functional.cross_entropy(logits, masks, ignore_index=255, reduction="none")
        # MMSegmentation's own cross-entropy, which training replaces, averages over ignored pixels too.
        torch.testing.assert_close(losses[name], 0.05 * each.mean())
    monkeypatch.setattr(model, "scale_weight", 0.0)
    assert not any(name.startswith("scale") for name in model.loss(**batch))


def test_attention_maps_have_the_size_of_the_image(model: Any) -> None:
    """One for each scale but the largest, in 0..1, and the same that merges the prediction."""
    images = torch.randn(2, 3, 64, 32)
    model.eval()
    with torch.inference_mode():
        maps = model.attention_maps(images)
        logits = model.encode_decode(images, [{"img_shape": (64, 32)}] * 2)
    assert sorted(maps) == [0.5, 1.0] and logits.shape == (2, 5, 64, 32)
    assert all(m.shape == (2, 1, 64, 32) and 0 <= m.min() < m.max() <= 1 for m in maps.values())
