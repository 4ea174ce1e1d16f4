"""One batch shared by several processes: sums and pixels of all of them, for losses that are not means over images.

DistributedDataParallel averages the gradients of all processes. So each process's loss is its part of the whole
batch's loss, times the number of processes: the averaged gradient is then that of the whole batch, and the mean of the
losses is its loss, however unevenly the valid pixels are spread. With a single process, values are unchanged, bit for
bit.

MMSegmentation's own losses (`BoundaryLoss` of PIDNet) remain means over the processes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


def processes() -> int:
    """How many processes share a batch."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def total(x: Tensor) -> Tensor:
    """The sum of `x` over all processes.

    Its gradient is right only if all processes compute the same thing from the sum: then each knows, without
    communication, what the others' losses contribute to the gradient of its own `x`.
    """
    return x if processes() == 1 else Total.apply(x)  # type: ignore[no-untyped-call]


class Total(torch.autograd.Function):
    """The autograd function behind `total`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The sum over all processes."""
        summed = x.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Every process's loss depends on `x` as ours does: the gradient is ours, times their number."""
        return gradients[0] * processes()


def gathered(x: Tensor) -> tuple[Tensor, slice]:
    """The columns of all processes' matrices, side by side.

    Args:
        x: A matrix of the same shape in every process.

    Returns:
        The joined matrix, and which of its columns are this process's own.
    """
    if processes() == 1:
        return x, slice(None)
    parts = [torch.empty_like(x) for _ in range(processes())]
    distributed.all_gather(parts, x.contiguous())
    first = distributed.get_rank() * x.shape[1]
    return torch.cat(parts, dim=1), slice(first, first + x.shape[1])
