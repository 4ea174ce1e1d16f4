"""Losses that any of MMSegmentation's heads takes as `loss_decode`: cross-entropy, focal, Dice and Lovasz-softmax.

Pure functions of logits (NCHW) and labels (NHW), each in a thin module. What they have in common, and MMSegmentation's
own have not: an ignored pixel takes no part, neither in the value nor in the gradient; a mean is over all the other
pixels of the batch, and a batch without any gives 0; where several processes share a batch, it is that whole batch (see
distributed.py); they compute in fp32 under autocast; and on CUDA there is a deterministic form of each operation (no
`nll_loss2d` with a reduction, no cumulative sum of floats).
"""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from pixelproof.nn.distributed import gathered, processes, total


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None, ignore: int) -> Tensor:
    """Cross-entropy of the softmax; each pixel counts as much as its class weighs.

    The sum is over the number of pixels, and not, as torch's mean, over the sum of their weights: that would make the
    scale of the loss change with the classes that happen to be in a batch.
    """
    logits = precise(logits)
    losses = functional.cross_entropy(
        logits, labels, None if weights is None else weights.to(logits), ignore_index=ignore, reduction="none"
    )
    return pixel_mean(losses, labels != ignore)


def focal(logits: Tensor, labels: Tensor, gamma: float, weights: Tensor | None, ignore: int) -> Tensor:
    """-(1 - p)^gamma log p of the true class's p (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017).

    With the softmax over all classes, as segmentation uses it; the class weights are the paper's alpha.
    """
    losses = functional.cross_entropy(precise(logits), labels, ignore_index=ignore, reduction="none")
    # The least number above 0 in place of 0, where a power below 1 is infinitely steep.
    doubt = (-torch.expm1(-losses)).clamp(min=torch.finfo(losses.dtype).tiny)
    valid = labels != ignore
    losses = doubt**gamma * losses
    if weights is not None:
        losses = losses * weights.to(losses)[labels.where(valid, 0)]
    return pixel_mean(losses, valid)


def dice(logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
    """1 - 2 sum(p t) / (sum(p^2) + sum(t^2)) of probabilities p and truths t, on average over the classes present.

    Milletari et al., "V-Net", 3DV 2016; for several classes and over a whole batch as Sudre et al., DLMIA 2017, take
    it, but with the same weight for each class. A class that no pixel has would always add 1, and no gradient.
    """
    probabilities, truth, valid = by_class(logits, labels, ignore)
    present = total(truth.any(dim=1).long()) > 0
    predicted = (probabilities * valid)[present]
    true = truth[present].to(predicted)
    sums = (predicted * true).sum(dim=1), predicted.square().sum(dim=1), true.sum(dim=1)
    both, squares, pixels = (total(each) for each in sums)
    return class_mean(1 - 2 * both / (squares + pixels))


def lovasz(logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
    """The Lovasz extension of 1 - IoU, on average over the classes present (Berman et al., CVPR 2018).

    With the pixels of a class sorted by their errors, the largest first, it is the sum of each error times how much
    1 - IoU grows when that pixel becomes wrong too. Those factors are constants to the gradient. An ignored pixel's
    error is 0: it comes last, where it neither adds anything nor moves another. Several processes sort each other's
    errors too, which takes classes x pixels numbers from each to each.
    """
    probabilities, truth, valid = by_class(logits, labels, ignore)
    present = total(truth.any(dim=1).long()) > 0
    truth = truth[present]
    errors = (truth.to(probabilities) - probabilities[present]).abs() * valid
    every, ours = gathered(errors.detach())
    order = every.argsort(dim=1, descending=True, stable=True)
    steps = jaccard_steps(gathered(truth)[0].gather(1, order), errors.dtype)
    factors = torch.empty_like(every).scatter(1, order, steps)[:, ours]
    return processes() * class_mean((errors * factors).sum(dim=1))


def jaccard_steps(truth: Tensor, dtype: torch.dtype) -> Tensor:
    """How much 1 - IoU of a class grows with each further pixel of a row, when all before it are wrong already.

    A lost pixel of the class takes 1 from the intersection I and leaves the union U: a step of 1 / U. One of another
    class, won, adds 1 to the union: a step of I / (U - 1) - I / U = I / (U (U - 1)). Written so, and with the counts in
    integers, no small step is the difference of two large numbers.
    """
    lost = truth.cumsum(dim=1, dtype=torch.int32)
    won = torch.arange(1, truth.shape[1] + 1, dtype=torch.int32, device=truth.device) - lost
    total = lost[:, -1:]
    intersection, union = (total - lost).to(dtype), (total + won).to(dtype)
    return torch.where(truth, 1 / union, intersection / (union * (union - 1)))


def precise(logits: Tensor) -> Tensor:
    """The logits in fp32, or in fp64 where they are: under autocast they come as bf16."""
    return logits if logits.dtype == torch.float64 else logits.float()


def pixel_mean(losses: Tensor, valid: Tensor) -> Tensor:
    """The mean over the valid pixels of losses that are 0 elsewhere; 0 where there are none."""
    return processes() * losses.sum() / total(valid.sum()).clamp(min=1)


def class_mean(losses: Tensor) -> Tensor:
    """The mean over the classes; 0 where there are none."""
    return losses.sum() / max(len(losses), 1)


def by_class(logits: Tensor, labels: Tensor, ignore: int) -> tuple[Tensor, Tensor, Tensor]:
    """The probability and the truth of each class (rows) at each pixel (columns), and which pixels are valid."""
    probabilities = precise(logits).softmax(dim=1).transpose(0, 1).flatten(1)
    flat = labels.flatten()
    valid = flat != ignore
    truth = (flat == torch.arange(logits.shape[1], device=labels.device)[:, None]) & valid
    return probabilities, truth, valid


class PixelLoss(nn.Module):
    """What a head calls: a loss times its weight. The names differ from those that MMSegmentation has taken."""

    loss_name = "loss_"

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, labels: Tensor, weight: Tensor | None = None, ignore_index: int = 255) -> Tensor:
        """The loss of a batch; `weight` is what a head's pixel sampler gives, and stays None without one."""
        if weight is not None:
            raise NotImplementedError(f"{type(self).__name__} takes no weights of single pixels: drop the `sampler`")
        return self.loss_weight * self.loss(logits, labels, ignore_index)

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """The loss before its weight."""
        raise NotImplementedError


class WeighedLoss(PixelLoss):
    """A loss in which classes can weigh differently. The weights are plain numbers: no part of the network's state."""

    def __init__(self, class_weight: list[float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_weight = class_weight

    def weights(self, logits: Tensor) -> Tensor | None:
        """The class weights beside the logits."""
        return None if self.class_weight is None else torch.tensor(self.class_weight, device=logits.device)


@MODELS.register_module()
class PixelCrossEntropy(WeighedLoss):
    """See `cross_entropy`."""

    loss_name = "loss_ce"

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(logits, labels, self.weights(logits), ignore)


@MODELS.register_module()
class PixelFocal(WeighedLoss):
    """See `focal`; the paper's best gamma is 2."""

    loss_name = "loss_focal"

    def __init__(self, gamma: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gamma = gamma

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Focal loss."""
        return focal(logits, labels, self.gamma, self.weights(logits), ignore)


@MODELS.register_module()
class PixelDice(PixelLoss):
    """See `dice`. Each class counts the same already, so there are no class weights."""

    loss_name = "loss_dice"

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Dice loss."""
        return dice(logits, labels, ignore)


@MODELS.register_module()
class PixelLovasz(PixelLoss):
    """See `lovasz`. Each class counts the same already, so there are no class weights."""

    loss_name = "loss_lovasz"

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Lovasz-softmax loss."""
        return lovasz(logits, labels, ignore)
