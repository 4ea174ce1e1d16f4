"""The losses of a network's heads: those that params name, with class weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.train.params import LossTerm


def set_losses(model: Any, terms: Sequence[LossTerm], weights: list[float] | None) -> None:
    """Replace every plain cross-entropy by the losses of params, and set the class weights of losses that take them.

    An architecture's own losses (on hard pixels, on boundaries) stay: they are part of it.
    """
    from torch import nn

    for head in heads(model):
        losses = [new for old in modules(head.loss_decode) for new in replaced(old, terms)]
        for loss in losses:
            if hasattr(loss, "class_weight") and not getattr(loss, "use_sigmoid", False):
                loss.class_weight = weights
        head.loss_decode = losses[0] if len(losses) == 1 else nn.ModuleList(losses)


def heads(model: Any) -> list[Any]:
    """All heads of a network that have losses: the main ones (several in a cascade), then the auxiliary ones."""
    names = ("decode_head", "auxiliary_head")
    found = [each for name in names if (part := getattr(model, name, None)) is not None for each in modules(part)]
    return [head for head in found if hasattr(head, "loss_decode")]


def modules(found: Any) -> list[Any]:
    """The modules of a list, or a single one as a list."""
    from torch import nn

    return list(found) if isinstance(found, nn.ModuleList) else [found]


def replaced(loss: Any, terms: Sequence[LossTerm]) -> list[Any]:
    """The losses that replace one, each scaled by its weight in the head; or the loss itself."""
    from mmseg.models.losses import CrossEntropyLoss

    from pixelproof.nn import losses

    kinds: dict[str, Any] = {
        "cross_entropy": losses.PixelCrossEntropy,
        "ohem": losses.PixelOHEM,
        "focal": losses.PixelFocal,
        "binary_focal": losses.PixelBinaryFocal,
        "dice": losses.PixelDice,
        "lovasz": losses.PixelLovasz,
    }
    if not (isinstance(loss, CrossEntropyLoss) and not loss.use_sigmoid and not loss.use_mask):
        return [loss]
    return [kinds[term.name](loss_weight=loss.loss_weight * term.weight, **term.settings) for term in terms]
