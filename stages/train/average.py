"""The exponential moving average of a network's weights, which is validated and published in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class Average:
    """The average; it begins as the weights after the first iteration. Buffers, such as batch norm's, have none.

    With a warm-up, the decay grows from 2/11 to what was asked, as in TensorFlow's `ExponentialMovingAverage`. Without
    one, the first weights still have the share decay^n after n more iterations: 0.9 of the average after 100, if the
    decay is 0.999.
    """

    def __init__(self, model: nn.Module, decay: float, warmup: bool = False) -> None:
        self.decay, self.warmup, self.count = decay, warmup, 0
        self.weights: list[torch.Tensor] = list(model.parameters())
        self.averages = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after an iteration into the average."""
        if self.count:
            torch._foreach_lerp_(self.averages, self.weights, 1 - self.decay_now())
        else:
            torch._foreach_copy_(self.averages, self.weights)
        self.count += 1

    def decay_now(self) -> float:
        """The decay of the next update."""
        return min(self.decay, (1 + self.count) / (10 + self.count)) if self.warmup else self.decay

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """For a block, the network has the averages as its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for number, weight in enumerate(self.weights):
            weight.data, self.averages[number] = self.averages[number], weight.data

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs."""
        return {"count": self.count, "averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        self.count = state["count"]
        for average, saved in zip(self.averages, state["averages"], strict=True):
            average.copy_(saved)
