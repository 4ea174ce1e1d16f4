"""The optimizer, and how the gradients of a batch become a step of it."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.registry import OPTIMIZERS
from torch import Tensor, nn

from stages.train.params import Optimizer
from stages.train.parts import groups


def build_optimizer(model: nn.Module, params: Optimizer) -> torch.optim.Optimizer:
    """The optimizer of the params, fused: one pass over the weights instead of one for each operation."""
    import mmengine.optim  # noqa: F401  registers torch's optimizers

    common = {
        "params": groups(model, params.lr, params.lr_factors),
        "lr": params.lr,
        "weight_decay": params.weight_decay,
        "fused": True,
    }
    chosen = {"type": "AdamW", **common} if params.name == "adamw" else {"type": "SGD", "momentum": 0.9, **common}
    optimizer: torch.optim.Optimizer = OPTIMIZERS.build(chosen)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set the learning rate of each part to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = share * group.setdefault("initial_lr", group["lr"])


class Steps:
    """Gradients, clipped if asked, and the optimizer's steps.

    In fp16 the smallest gradients would be zero. There the loss is scaled up and the gradients are scaled down again; a
    step with a gradient that is not finite is left out, and the scale is halved. Nothing here waits for the device.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, clip: float, device: str, scaled: bool) -> None:
        self.optimizer, self.clip = optimizer, clip
        self.scaler = torch.amp.GradScaler(device, enabled=scaled)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those that wait for a step."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Update the weights with the gradients, and drop these."""
        if self.clip:
            self.scaler.unscale_(self.optimizer)
            weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
            nn.utils.clip_grad_norm_(weights, self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state and the scale, which a resumed training goes on with."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
