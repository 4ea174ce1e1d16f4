"""What two processes share and one process has whole: batches whose halves differ in how many pixels count and in which
classes they have, the losses of all names, and a validation that notes what it reads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pixelproof.data.dataset import IGNORE
from pixelproof.networks.hard_pixels import HardPixelCrossEntropy
from pixelproof.nn.build import build_model
from pixelproof.nn.losses import cross_entropy, dice, focal, lovasz
from stages.configure.resolve import resolve
from stages.train.data import Labelled, Pair
from stages.train.run import Validation
from tests.pixelproof.networks.gradients import FP32

CLASSES = 4
READ: list[int] = []
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": lambda x, y: cross_entropy(x, y, WEIGHTS, IGNORE),
    "focal": lambda x, y: focal(x, y, 2.0, None, IGNORE),
    "dice": lambda x, y: dice(x, y, IGNORE),
    "hard pixels": lambda x, y: HardPixelCrossEntropy(0.3, 0.4)(x, y),
    "lovasz": lambda x, y: lovasz(x, y, IGNORE),
}


def random(*shape: int) -> Tensor:
    """The same numbers each time."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def weight() -> Tensor:
    """What is trained: one number for each class and its each neighbour."""
    return random(CLASSES, CLASSES).requires_grad_()


def logits_of(w: Tensor) -> Tensor:
    """A network of one layer on four images of 6x5."""
    return torch.einsum("oi,nihw->nohw", w, random(4, CLASSES, 6, 5))


def uneven() -> Tensor:
    """The first half has few pixels that count, and class 2 alone; the second lacks class 3, as all do."""
    labels = random(4, 6, 5).abs().mul(2).long().clamp(max=2)
    labels[:2] = IGNORE
    labels[0, 0, :3] = 2
    labels[2, :2] = IGNORE
    return labels


def one_sided() -> Tensor:
    """No pixel of the first half counts."""
    labels = uneven()
    labels[:2] = IGNORE
    return labels


BATCHES = {"uneven": uneven(), "one-sided": one_sided(), "empty": torch.full((4, 6, 5), IGNORE)}


class Counted(Labelled):
    """Images of which it is noted which were read, in `READ`."""

    def read(self, index: int) -> Pair:
        """Image and mask."""
        READ.append(index)
        return super().read(index)


def validate(data: Labelled, rank: int, world: int) -> dict[str, float]:
    """A validation of a network that has learnt nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Validation(data, FP32, 16, "cpu", (rank, world))(build_model(resolve("fcn-r18-d8", "small"), 3, FP32))
