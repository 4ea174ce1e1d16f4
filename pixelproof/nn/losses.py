"""Losses that any of MMSegmentation's heads accepts as `loss_decode`: cross-entropy, OHEM, focal, Dice, Lovasz-softmax.

Pure functions of logits (NCHW) and labels (NHW), each wrapped in a thin module. Unlike MMSegmentation's own losses, all
of these

- leave ignored pixels out of the value and of the gradient;
- average over all other pixels of the batch, and are 0 if there are none;
- treat a batch that several processes share as one (see distributed.py);
- compute in fp32 under autocast;
- use only operations with a deterministic form on CUDA (no `nll_loss2d` with a reduction, no cumulative sum of floats).
"""

from __future__ import annotations

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from pixelproof.nn.distributed import gathered, processes, total


def cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None, ignore: int, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of the softmax, each pixel weighted by its class.

    The sum is divided by the number of pixels and not, as in torch, by the sum of their weights: that would make the
    scale of the loss depend on which classes happen to be in a batch.

    Args:
        logits: Of shape (N, C, H, W).
        labels: Class ids of shape (N, H, W).
        weights: One weight per class, or None for equal weights.
        ignore: The label of ignored pixels.
        smoothing: The share of a pixel's label that is spread evenly over all classes, as torch does it (Szegedy et
            al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016).

    Example:
        >>> logits = torch.zeros(1, 2, 1, 3)  # certainty 1/2 everywhere: log 2 for each pixel
        >>> labels = torch.tensor([[[0, 1, 255]]])  # the last pixel is ignored
        >>> round(float(cross_entropy(logits, labels, None, ignore=255)), 4)
        0.6931
        >>> round(float(cross_entropy(logits, labels, torch.tensor([1.0, 3.0]), ignore=255)), 4)  # (1 + 3) / 2 log 2
        1.3863
    """
    logits = precise(logits)
    losses = functional.cross_entropy(
        logits,
        labels,
        None if weights is None else weights.to(logits),
        ignore_index=ignore,
        reduction="none",
        label_smoothing=smoothing,
    )
    return pixel_mean(losses, labels != ignore)


def ohem(logits: Tensor, labels: Tensor, weights: Tensor | None, ignore: int, threshold: float, least: float) -> Tensor:
    """The mean cross-entropy of the hard pixels alone (Shrivastava et al., "Training Region-based Object Detectors with
    Online Hard Example Mining", CVPR 2016).

    Args:
        logits: Of shape (N, C, H, W).
        labels: Class ids of shape (N, H, W).
        weights: One weight per class, or None for equal weights. Which pixels are hard does not depend on them.
        ignore: The label of ignored pixels.
        threshold: As in `hardest`.
        least: As in `hardest`.
    """
    logits = precise(logits)
    weights = None if weights is None else weights.to(logits)
    losses = functional.cross_entropy(logits, labels, weights, ignore_index=ignore, reduction="none")
    hard = hardest(logits, labels, threshold, least, ignore)
    return pixel_mean(losses.where(hard, 0), hard)


def hardest(logits: Tensor, labels: Tensor, threshold: float, least: float, ignore: int) -> Tensor:
    """Which pixels are hard: those whose true class has a probability of at most a threshold.

    If these are few, the least certain ones are taken, by their probability alone: of two pixels with
    the same one, both are hard or neither, so the choice does not depend on how anything is sorted. If several
    processes share a batch, its pixels are ranked across all of them.

    Args:
        logits: Of shape (N, C, H, W).
        labels: Class ids of shape (N, H, W).
        threshold: The probability.
        least: The share of the pixels that is hard at least; one pixel always is, if any is valid.
        ignore: The label of ignored pixels, which are never hard.
    """
    valid = labels != ignore
    certainty = logits.detach().float().softmax(dim=1).gather(1, labels.where(valid, 0)[:, None])[:, 0]
    every = gathered(certainty.where(valid, torch.inf).flatten()[None])[0]  # ignored pixels come last
    last = ((least * total(valid.sum()).double()).ceil() - 1).clamp(min=0).long()
    bound = every[0].sort().values.gather(0, last[None])
    return valid & (certainty <= bound.clamp(min=threshold))


def focal(logits: Tensor, labels: Tensor, gamma: float, weights: Tensor | None, ignore: int) -> Tensor:
    """-(1 - p)^gamma log p of the true class's p (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017).

    With the softmax over all classes, as segmentation uses it; the class weights are the paper's alpha.

    Args:
        logits: Of shape (N, C, H, W).
        labels: Class ids of shape (N, H, W).
        gamma: How strongly easy pixels are down-weighted; 0 gives the cross-entropy.
        weights: One weight per class, or None for equal weights.
        ignore: The label of ignored pixels.
    """
    losses = functional.cross_entropy(precise(logits), labels, ignore_index=ignore, reduction="none")
    # Clamped away from 0, where a power below 1 has an infinite slope.
    doubt = (-torch.expm1(-losses)).clamp(min=torch.finfo(losses.dtype).tiny)
    valid = labels != ignore
    losses = doubt**gamma * losses
    if weights is not None:
        losses = losses * weights.to(losses)[labels.where(valid, 0)]
    return pixel_mean(losses, valid)


def binary_focal(
    logits: Tensor, labels: Tensor, weights: Tensor | None, ignore: int, gamma: float, alpha: float
) -> Tensor:
    """The focal loss as its paper has it: a sigmoid for each class, apart from all others.

    For each class a pixel adds -a (1 - p)^gamma log p, where p is the probability of what is true: that it is of the
    class (then a is alpha), or that it is not (then a is 1 - alpha). The sum over all classes is averaged over pixels:
    each is of one class, so this is the paper's division by the number of positives.

    Args:
        logits: Of shape (N, C, H, W).
        labels: Class ids of shape (N, H, W).
        weights: One weight for each class's own loss, or None for equal weights.
        ignore: The label of ignored pixels.
        gamma: How strongly easy pixels are down-weighted; 0 gives a weighted binary cross-entropy.
        alpha: How much a pixel of the class weighs against one that is not.
    """
    logits = precise(logits)
    truth = labels[:, None] == torch.arange(logits.shape[1], device=labels.device)[:, None, None]
    towards = torch.where(truth, logits, -logits)
    # Clamped away from 0, where a power below 1 has an infinite slope.
    doubt = torch.sigmoid(-towards).clamp(min=torch.finfo(logits.dtype).tiny)
    losses = doubt**gamma * functional.softplus(-towards)
    losses = torch.where(truth, alpha * losses, (1 - alpha) * losses)
    if weights is not None:
        losses = losses * weights.to(losses)[:, None, None]
    valid = labels != ignore
    return pixel_mean(losses.sum(dim=1).where(valid, 0), valid)


def dice(logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
    """1 - 2 sum(p t) / (sum(p^2) + sum(t^2)) of probabilities p and ground truth t, averaged over the classes present.

    Milletari et al., "V-Net", 3DV 2016; with several classes and over a whole batch as in Sudre et al., DLMIA 2017, but
    with equal class weights. A class without pixels is left out: it would always add 1, and no gradient.

    Args:
        logits: Of shape (N, C, H, W).
        labels: Class ids of shape (N, H, W).
        ignore: The label of ignored pixels.
    """
    probabilities, truth, valid = by_class(logits, labels, ignore)
    present = total(truth.any(dim=1).long()) > 0
    predicted = (probabilities * valid)[present]
    true = truth[present].to(predicted)
    sums = (predicted * true).sum(dim=1), predicted.square().sum(dim=1), true.sum(dim=1)
    both, squares, pixels = (total(each) for each in sums)
    return class_mean(1 - 2 * both / (squares + pixels))


def lovasz(logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
    """The Lovasz extension of 1 - IoU, averaged over the classes present (Berman et al., CVPR 2018).

    The pixels of a class are sorted by error, largest first. The loss is the sum of each error times how much 1 - IoU
    grows when that pixel becomes wrong too; these factors are constants to the gradient. The error of an ignored pixel
    is 0: it comes last, where it adds nothing and displaces no other pixel. If several processes share a batch, each
    sorts the errors of all, so each process sends classes x pixels numbers to every other.

    Args:
        logits: Of shape (N, C, H, W).
        labels: Class ids of shape (N, H, W).
        ignore: The label of ignored pixels.
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
    """How much 1 - IoU of a class grows with each further pixel of a row, once all pixels before it are wrong.

    A missed pixel of the class takes 1 from the intersection I and leaves the union U: a step of 1 / U. A pixel of
    another class that is taken for this one adds 1 to the union: a step of I / (U - 1) - I / U = I / (U (U - 1)). In
    this form, and with integer counts, no small step is the difference of two large numbers.

    Args:
        truth: Whether each pixel (column) belongs to the class (row), in the order of their errors.
        dtype: Of the result.

    Example:
        >>> jaccard_steps(torch.tensor([[True, False, True]]), torch.float64)  # 1 - IoU: 1/2, 2/3, 1
        tensor([[0.5000, 0.1667, 0.3333]], dtype=torch.float64)
    """
    lost = truth.cumsum(dim=1, dtype=torch.int32)
    won = torch.arange(1, truth.shape[1] + 1, dtype=torch.int32, device=truth.device) - lost
    total = lost[:, -1:]
    intersection, union = (total - lost).to(dtype), (total + won).to(dtype)
    return torch.where(truth, 1 / union, intersection / (union * (union - 1)))


def precise(logits: Tensor) -> Tensor:
    """The logits in fp32 (under autocast they arrive as bf16); fp64 stays fp64."""
    return logits if logits.dtype == torch.float64 else logits.float()


def pixel_mean(losses: Tensor, valid: Tensor) -> Tensor:
    """The mean, over valid pixels, of losses that are 0 at all other pixels; 0 if no pixel is valid."""
    return processes() * losses.sum() / total(valid.sum()).clamp(min=1)


def class_mean(losses: Tensor) -> Tensor:
    """The mean over the classes; 0 if there are none."""
    return losses.sum() / max(len(losses), 1)


def by_class(logits: Tensor, labels: Tensor, ignore: int) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions and ground truth with a row per class and a column per pixel.

    Returns:
        The probabilities, whether each pixel is of each class, and which pixels are not ignored.
    """
    probabilities = precise(logits).softmax(dim=1).transpose(0, 1).flatten(1)
    flat = labels.flatten()
    valid = flat != ignore
    truth = (flat == torch.arange(logits.shape[1], device=labels.device)[:, None]) & valid
    return probabilities, truth, valid


class PixelLoss(nn.Module):
    """The module that a head calls: a loss times its weight.

    The subclasses are called `Pixel...` because MMSegmentation has registered the usual names.
    """

    loss_name = "loss_"

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, labels: Tensor, weight: Tensor | None = None, ignore_index: int = 255) -> Tensor:
        """The weighted loss of a batch.

        Args:
            logits: Of shape (N, C, H, W).
            labels: Class ids of shape (N, H, W).
            weight: Per-pixel weights from a head's pixel sampler; None without one.
            ignore_index: The label of ignored pixels.

        Raises:
            NotImplementedError: The head has a pixel sampler.
        """
        if weight is not None:
            raise NotImplementedError(f"{type(self).__name__} takes no per-pixel weights: remove the `sampler`")
        return self.loss_weight * self.loss(logits, labels, ignore_index)

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """The loss before its weight is applied."""
        raise NotImplementedError


class WeightedLoss(PixelLoss):
    """A loss with class weights. These are plain numbers, not part of the network's state dict."""

    def __init__(self, class_weight: list[float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_weight = class_weight

    def weights(self, logits: Tensor) -> Tensor | None:
        """The class weights, on the device of the logits."""
        return None if self.class_weight is None else torch.tensor(self.class_weight, device=logits.device)


@MODELS.register_module()
class PixelCrossEntropy(WeightedLoss):
    """The head's form of `cross_entropy`."""

    loss_name = "loss_ce"

    def __init__(self, smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.smoothing = smoothing

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(logits, labels, self.weights(logits), ignore, self.smoothing)


@MODELS.register_module()
class PixelOHEM(WeightedLoss):
    """The head's form of `ohem`."""

    loss_name = "loss_ohem"

    def __init__(self, threshold: float = 0.7, least: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold, self.least = threshold, least

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Cross-entropy of the hard pixels."""
        return ohem(logits, labels, self.weights(logits), ignore, self.threshold, self.least)


@MODELS.register_module()
class PixelFocal(WeightedLoss):
    """The head's form of `focal`; the paper found gamma = 2 best."""

    loss_name = "loss_focal"

    def __init__(self, gamma: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gamma = gamma

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Focal loss."""
        return focal(logits, labels, self.gamma, self.weights(logits), ignore)


@MODELS.register_module()
class PixelBinaryFocal(WeightedLoss):
    """The head's form of `binary_focal`; the paper found gamma = 2 with alpha = 0.25 best."""

    loss_name = "loss_binary_focal"

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gamma, self.alpha = gamma, alpha

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Focal loss of each class apart."""
        return binary_focal(logits, labels, self.weights(logits), ignore, self.gamma, self.alpha)


@MODELS.register_module()
class PixelDice(PixelLoss):
    """The head's form of `dice`. Every class already counts the same, so there are no class weights."""

    loss_name = "loss_dice"

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Dice loss."""
        return dice(logits, labels, ignore)


@MODELS.register_module()
class PixelLovasz(PixelLoss):
    """The head's form of `lovasz`. Every class already counts the same, so there are no class weights."""

    loss_name = "loss_lovasz"

    def loss(self, logits: Tensor, labels: Tensor, ignore: int) -> Tensor:
        """Lovasz-softmax loss."""
        return lovasz(logits, labels, ignore)
