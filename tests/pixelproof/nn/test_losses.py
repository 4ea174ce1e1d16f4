"""The losses against torch's own, scikit-learn and hand-worked cases; ignored pixels take no part."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mmseg.models  # noqa: F401
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from sklearn.metrics import jaccard_score
from torch import Tensor
from torch.nn import functional

from pixelproof.data.dataset import IGNORE
from pixelproof.nn import losses
from pixelproof.nn.losses import (
    PixelBinaryFocal,
    PixelCrossEntropy,
    PixelDice,
    PixelFocal,
    PixelLovasz,
    PixelOHEM,
    binary_focal,
    cross_entropy,
    dice,
    focal,
    hardest,
    ohem,
)
from tests.ongpu import DEVICE
from tests.pixelproof.networks.operations import Operations

Loss = Callable[[Tensor, Tensor], Tensor]
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])
LOSSES: dict[str, Loss] = {
    "cross-entropy": lambda x, y: cross_entropy(x, y, None, IGNORE),
    "weighted cross-entropy": lambda x, y: cross_entropy(x, y, WEIGHTS, IGNORE),
    "smoothed cross-entropy": lambda x, y: cross_entropy(x, y, None, IGNORE, 0.2),
    "smoothed and weighted": lambda x, y: cross_entropy(x, y, WEIGHTS, IGNORE, 0.2),
    "cross-entropy of all as hard pixels": lambda x, y: ohem(x, y, WEIGHTS, IGNORE, 0.3, 1.0),
    "binary focal": lambda x, y: binary_focal(x, y, None, IGNORE, 2.0, 0.25),
    "weighted binary focal, gamma below 1": lambda x, y: binary_focal(x, y, WEIGHTS, IGNORE, 0.5, 0.6),
    "focal": lambda x, y: focal(x, y, 2.0, None, IGNORE),
    "weighted focal, gamma below 1": lambda x, y: focal(x, y, 0.5, WEIGHTS, IGNORE),
    "dice": lambda x, y: dice(x, y, IGNORE),
    "lovasz": lambda x, y: losses.lovasz(x, y, IGNORE),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def batch(dtype: torch.dtype = torch.float32, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Logits of 2 images of 5x3 and their labels, a third of them ignored; no pixel has the last class."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 5, 3, generator=generator, dtype=dtype).requires_grad_()
    labels = torch.randint(0, classes - 1, (2, 5, 3), generator=generator)
    labels[torch.rand(2, 5, 3, generator=generator) < 1 / 3] = IGNORE
    return logits, labels


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, logits)
    return found


def of_probabilities(probabilities: list[list[float]], labels: list[int]) -> tuple[Tensor, Tensor]:
    """A row of pixels, as logits whose softmax gives these probabilities: one list for each class."""
    return torch.tensor(probabilities, dtype=torch.float64).log()[None, :, None], torch.tensor(labels)[None, None]


# --- values ----------------------------------------------------------------------------------------------------------


def test_cross_entropy_is_torchs_mean_over_valid_pixels() -> None:
    """Value and gradient; with weights, torch's sum over the number of pixels (its own mean divides by weights)."""
    logits, labels = batch()
    for weights, mine in ((None, LOSSES["cross-entropy"]), (WEIGHTS, LOSSES["weighted cross-entropy"])):
        total = functional.cross_entropy(logits, labels, weights, ignore_index=IGNORE, reduction="sum")
        expected = total / int((labels != IGNORE).sum())
        torch.testing.assert_close(mine(logits, labels), expected)
        torch.testing.assert_close(gradient(mine(logits, labels), logits), gradient(expected, logits))
    expected = functional.cross_entropy(logits, labels, ignore_index=IGNORE)
    torch.testing.assert_close(cross_entropy(logits, labels, None, IGNORE), expected)


def test_label_smoothing_is_torchs_and_spreads_its_share_over_all_classes() -> None:
    """Torch's own mean over valid pixels; and by the definition, with labels of 0.7 + 0.3/4 and 0.3/4."""
    logits, labels = batch(torch.float64)
    valid = labels != IGNORE
    found = cross_entropy(logits, labels, None, IGNORE, 0.3)
    torch.testing.assert_close(
        found, functional.cross_entropy(logits, labels, ignore_index=IGNORE, label_smoothing=0.3)
    )
    logarithms = logits.log_softmax(dim=1).movedim(1, -1)[valid]
    spread = 0.7 * functional.one_hot(labels[valid], 4) + 0.3 / 4
    torch.testing.assert_close(found, -(spread * logarithms).sum(dim=1).mean())
    weighted = -(spread * WEIGHTS * logarithms).sum(dim=1).mean()
    torch.testing.assert_close(cross_entropy(logits, labels, WEIGHTS, IGNORE, 0.3), weighted)


def test_ohem_by_hand() -> None:
    """Five pixels, one ignored; their true classes have probabilities of 0.9, 0.6, 0.2 and 0.6.

    At most 0.3: one pixel. At most 0.1: none, so the least certain one. Half of four is two, but the second and the
    third are equally certain: both are taken, in whatever order they come.
    """
    logits, labels = of_probabilities([[0.9, 0.4, 0.8, 0.6, 0.5], [0.1, 0.6, 0.2, 0.4, 0.5]], [0, 1, 1, 0, IGNORE])
    worst, tied = -math.log(0.2), -math.log(0.6)
    for threshold, least, expected in (
        (0.3, 0.1, worst),
        (0.1, 0.1, worst),
        (0.1, 0.3, (worst + 2 * tied) / 3),  # 1.2 of four: two at least
        (0.1, 0.5, (worst + 2 * tied) / 3),
        (0.7, 0.1, (worst + 2 * tied) / 3),
        (0.1, 1.0, (worst + 2 * tied - math.log(0.9)) / 4),
    ):
        for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 1, 0, 3]):
            found = ohem(logits[..., order], labels[..., order], None, IGNORE, threshold, least)
            assert float(found) == pytest.approx(expected), (threshold, least)
    weighted = ohem(logits, labels, torch.tensor([2.0, 3.0]), IGNORE, 0.7, 0.1)
    assert float(weighted) == pytest.approx((3 * worst + 3 * tied + 2 * tied) / 3), "weights choose nothing"


def test_pixels_that_are_not_hard_have_no_gradient() -> None:
    logits, labels = batch(torch.float64)
    hard = hardest(logits, labels, 0.2, 0.25, IGNORE)
    found = gradient(ohem(logits, labels, None, IGNORE, 0.2, 0.25), logits).movedim(1, -1)
    assert 0 < int(hard.sum()) < int((labels != IGNORE).sum())
    assert (found[hard] != 0).all() and (found[~hard] == 0).all()


def test_binary_focal_is_the_papers_formula() -> None:
    """Equations 4 and 5, read pixel by pixel and class by class, in NumPy."""
    logits, labels = batch(torch.float64)
    gamma, alpha, total, pixels = 1.5, 0.3, 0.0, 0
    for x, label in zip(logits.detach().movedim(1, -1).reshape(-1, 4).numpy(), labels.flatten().tolist(), strict=True):
        if label == IGNORE:
            continue
        pixels += 1
        for name in range(4):
            p = 1 / (1 + np.exp(-x[name]))
            p_t, alpha_t = (p, alpha) if name == label else (1 - p, 1 - alpha)
            total += float(WEIGHTS[name]) * -alpha_t * (1 - p_t) ** gamma * np.log(p_t)
    found = binary_focal(logits.detach(), labels, WEIGHTS, IGNORE, gamma, alpha)
    assert float(found) == pytest.approx(total / pixels)


def test_binary_focal_with_gamma_0_is_half_the_binary_cross_entropy() -> None:
    logits, labels = batch()
    valid = labels != IGNORE
    truth = functional.one_hot(labels.where(valid, 0), 4).movedim(-1, 1).float()
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(dim=1)[valid]
    torch.testing.assert_close(binary_focal(logits, labels, None, IGNORE, 0.0, 0.5), each.mean() / 2)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.5, 2.0])
def test_binary_focal_stays_finite_where_the_network_is_certain(gamma: float) -> None:
    """Right and wrong, in both classes."""
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]])[None, :, None].requires_grad_()
    loss = binary_focal(logits, torch.tensor([[[0, 0]]]), None, IGNORE, gamma, 0.25)
    assert loss.item() == pytest.approx(200 * (0.25 + 0.75) / 2)
    assert gradient(loss, logits)[0, :, 0].tolist() == [[0, -0.125], [0, 0.375]]


def test_focal_with_gamma_0_and_two_classes_is_binary_cross_entropy() -> None:
    """The binary logit is the difference of the two."""
    logits, labels = batch(classes=2)
    labels[0, 0] = 1
    valid = labels != IGNORE
    binary = (logits[:, 1] - logits[:, 0])[valid]
    expected = functional.binary_cross_entropy_with_logits(binary, labels[valid].float())
    torch.testing.assert_close(focal(logits, labels, 0.0, None, IGNORE), expected)


def test_focal_down_weights_easy_pixels_as_the_paper_says() -> None:
    """Lin et al.: with gamma 2, an example with p = 0.9 has a loss 100 times lower, one of 0.968 about 1000 times."""
    for p, times in ((0.9, 100.0), (0.968, 976.5625)):
        logits, labels = of_probabilities([[p], [1 - p]], [0])
        assert float(focal(logits, labels, 2.0, None, IGNORE)) == pytest.approx(-math.log(p) / times)
    logits, labels = of_probabilities([[0.9, 0.4], [0.1, 0.6]], [0, 1])
    by_hand = (2 * 0.1**1.5 * -math.log(0.9) + 3 * 0.4**1.5 * -math.log(0.6)) / 2
    assert float(focal(logits, labels, 1.5, torch.tensor([2.0, 3.0]), IGNORE)) == pytest.approx(by_hand)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.5, 2.0])
def test_focal_stays_finite_where_the_network_is_certain(gamma: float) -> None:
    """A probability of exactly 1, right and wrong: powers below 1 have an infinite slope at 0."""
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]])[None, :, None].requires_grad_()
    loss = focal(logits, torch.tensor([[[0, 0]]]), gamma, None, IGNORE)
    assert loss.item() == pytest.approx(200.0)  # 400 for the wrong one, 0 for the right one
    assert gradient(loss, logits)[0, :, 0].tolist() == [[0, -0.5], [0, 0.5]]


def test_dice_by_hand() -> None:
    """Four pixels, one of them ignored, and a third class without pixels."""
    logits, labels = of_probabilities([[0.7, 0.6, 0.4, 0.8], [0.2, 0.3, 0.5, 0.1], [0.1] * 4], [0, 0, 1, IGNORE])
    first = 2 * (0.7 + 0.6) / (0.7**2 + 0.6**2 + 0.4**2 + 2)
    second = 2 * 0.5 / (0.2**2 + 0.3**2 + 0.5**2 + 1)
    assert float(dice(logits, labels, IGNORE)) == pytest.approx(1 - (first + second) / 2)


def test_lovasz_by_hand() -> None:
    """Five pixels, one of them ignored. For both classes the errors are 0.7, 0.6, 0.2 and 0.1, in this order.

    Class 0 loses 1 - IoU = 1/3 (I 2, U 3), 2/3 (1, 3), 3/4 (1, 4), 1 (0, 4) as these become wrong; class 1 loses 1/2
    (1, 2), 2/3 (1, 3), 1 (0, 3) and 1 (0, 4). The factors are the differences of neighbours.
    """
    first = [0.9, 0.4, 0.2, 0.7, 0.5]
    logits, labels = of_probabilities([first, [1 - p for p in first]], [0, 0, 1, 1, IGNORE])
    by_hand = (0.7 / 3 + 0.6 / 3 + 0.2 / 12 + 0.1 / 4, 0.7 / 2 + 0.6 / 6 + 0.2 / 3)
    assert float(losses.lovasz(logits, labels, IGNORE)) == pytest.approx(sum(by_hand) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_lovasz_of_certain_predictions_is_1_minus_the_mean_iou(seed: int) -> None:
    """Berman et al.: the extension is the Jaccard loss where probabilities are 0 and 1. scikit-learn gives the IoU."""
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randint(0, 5, (2, 6, 7), generator=generator)
    labels = torch.where(torch.rand(2, 6, 7, generator=generator) < 0.5, predicted.clamp(max=3), 1)
    labels[0, 0] = IGNORE
    logits = 1000.0 * functional.one_hot(predicted, 5).movedim(-1, 1)
    valid = labels != IGNORE
    present = sorted(set(labels[valid].tolist()))
    mean_iou = jaccard_score(labels[valid], predicted[valid], labels=present, average="macro")
    assert float(losses.lovasz(logits, labels, IGNORE)) == pytest.approx(1 - mean_iou)


# --- gradients, and what takes no part -------------------------------------------------------------------------------


@each_loss
def test_the_gradient_matches_finite_differences(loss: Loss) -> None:
    """In fp64."""
    logits, labels = batch(torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), logits)


@each_loss
def test_an_ignored_pixel_takes_no_part(loss: Loss) -> None:
    """It has no gradient, and all else is as without it: the same pixels in one row, without the ignored ones."""
    logits, labels = batch(torch.float64)
    value = loss(logits, labels)
    found, valid = gradient(value, logits).movedim(1, -1), labels != IGNORE
    assert 0 < int(valid.sum()) < valid.numel()
    assert (found[~valid] == 0).all() and (found[valid] != 0).any(dim=1).all()
    row = logits.detach().movedim(1, -1)[valid].T[None, :, None].requires_grad_()
    alone = loss(row, labels[valid][None, None])
    torch.testing.assert_close(value, alone)
    torch.testing.assert_close(found[valid].T, gradient(alone, row)[0, :, 0])


@each_loss
def test_a_batch_of_ignored_pixels_has_loss_and_gradient_0(loss: Loss) -> None:
    logits, labels = batch()
    value = loss(logits, torch.full_like(labels, IGNORE))
    assert value.item() == 0 and (gradient(value, logits) == 0).all()


@each_loss
def test_autocast_computes_in_fp32(loss: Loss) -> None:
    """The logits arrive as bf16; the loss is computed in fp32."""
    logits, labels = batch()
    low = logits.detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(low, labels)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(low.float(), labels), rtol=0, atol=0)


# --- determinism on CUDA ---------------------------------------------------------------------------------------------


@each_loss
def test_every_operation_has_a_deterministic_form_on_cuda(loss: Loss) -> None:
    """Seen on the CPU, where the operations are the same."""
    logits, labels = batch()
    with Operations() as operations:
        gradient(loss(logits, labels), logits)
    assert operations.seen and not operations.refused


def test_the_check_sees_refused_operations() -> None:
    logits, labels = batch()
    with Operations() as operations:
        gradient(functional.cross_entropy(logits, labels, ignore_index=IGNORE), logits)
        logits.detach().cumsum(0)
    assert operations.refused == ["nll_loss2d_forward", "nll_loss2d_backward", "cumsum"]


@pytest.mark.gpu
@each_loss
def test_cuda_gives_the_same_gradient_each_time(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 4, 128, 128, generator=generator).to(DEVICE).requires_grad_()
    labels = torch.randint(0, 4, (4, 128, 128), generator=generator).to(DEVICE)
    labels[:, :32] = IGNORE
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (gradient(loss(logits, labels), logits) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(first, second)


# --- in a head -------------------------------------------------------------------------------------------------------


def head(*decode: dict[str, Any]) -> Any:
    """An FCN head of MMSegmentation with some losses."""
    config = {"type": "FCNHead", "in_channels": 3, "channels": 4, "num_classes": 4, "num_convs": 1, "norm_cfg": None}
    return MODELS.build({**config, "loss_decode": list(decode) if len(decode) > 1 else decode[0]})


def test_a_head_adds_up_the_losses_of_its_list() -> None:
    """Each under its own name and times its weight, on logits resized to the mask."""
    small, labels = batch()
    samples = [SegDataSample(gt_sem_seg=PixelData(data=mask.repeat(2, 2)[None])) for mask in labels]
    masks = labels.repeat(1, 2, 2)
    logits = functional.interpolate(small, masks.shape[1:], mode="bilinear", align_corners=False)
    decode: list[dict[str, Any]] = [
        {"type": "PixelCrossEntropy", "loss_weight": 0.5, "class_weight": WEIGHTS.tolist()},
        {"type": "PixelFocal", "gamma": 1.5},
        {"type": "PixelDice", "loss_weight": 3.0},
        {"type": "PixelLovasz"},
    ]
    found = head(*decode).loss_by_feat(small, samples)
    assert [name for name in found if name != "acc_seg"] == ["loss_ce", "loss_focal", "loss_dice", "loss_lovasz"]
    torch.testing.assert_close(found["loss_ce"], 0.5 * cross_entropy(logits, masks, WEIGHTS, IGNORE))
    torch.testing.assert_close(found["loss_focal"], focal(logits, masks, 1.5, None, IGNORE))
    torch.testing.assert_close(found["loss_dice"], 3 * dice(logits, masks, IGNORE))
    torch.testing.assert_close(found["loss_lovasz"], losses.lovasz(logits, masks, IGNORE))
    assert head(decode[2]).loss_by_feat(small, samples)["loss_dice"] == found["loss_dice"]


def test_the_modules_hold_no_state_and_take_no_pixel_weights() -> None:
    """Class weights are not saved with the network; a sampler's weights are an error, not dropped silently."""
    logits, labels = batch()
    weighted = [each(class_weight=WEIGHTS.tolist()) for each in (PixelCrossEntropy, PixelOHEM, PixelBinaryFocal)]
    for module in (*weighted, PixelFocal(), PixelDice(), PixelLovasz()):
        assert not module.state_dict()
        with pytest.raises(NotImplementedError, match="sampler"):
            module(logits, labels, weight=torch.ones_like(labels))
