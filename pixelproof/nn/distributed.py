"""One batch over several processes: sums and pixels of all of them, where a loss is not a mean over images.

DistributedDataParallel gives each process the mean of all processes' gradients. So a process's loss is its part of the
loss of the whole batch, times the number of processes: then that mean is the gradient of the whole batch, and the mean
of the losses is its loss, however unevenly the pixels that count lie. What is alone gets back what it gave, to the bit.

MMSegmentation's own losses (`BoundaryLoss` of PIDNet) stay means over the processes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


def processes() -> int:
    """How many processes share a batch."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def total(x: Tensor) -> Tensor:
    """The sum over all processes.

    For its gradient, what is made of it must be the same in all of them: then each knows, without asking, what the
    others' losses take from its `x`.
    """
    return x if processes() == 1 else Total.apply(x)  # type: ignore[no-untyped-call]


class Total(torch.autograd.Function):
    """See `total`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The sum."""
        summed = x.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Each process's loss takes as much from `x` as ours does."""
        return gradients[0] * processes()


def gathered(x: Tensor) -> tuple[Tensor, slice]:
    """The columns of all processes' matrices, which have one shape, side by side; and which of them are ours."""
    if processes() == 1:
        return x, slice(None)
    parts = [torch.empty_like(x) for _ in range(processes())]
    distributed.all_gather(parts, x.contiguous())
    first = distributed.get_rank() * x.shape[1]
    return torch.cat(parts, dim=1), slice(first, first + x.shape[1])


def global_mean(loss: Tensor) -> float:
    """The mean of the processes' losses: that of the whole batch. It is the same number in all of them."""
    return float(total(loss.detach())) / processes()
