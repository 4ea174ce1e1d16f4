"""A network that learns: forward and backward passes on one device or several, its optimizer, its averaged weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from mmengine.logging import MMLogger
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pixelproof.nn.deterministic import DeterministicForms
from pixelproof.nn.runtime import Compute, autocast
from stages.train.average import Average
from stages.train.optimizer import Steps, build_optimizer, set_learning_rate
from stages.train.params import Train
from stages.train.parts import train_mode

Batch = dict[str, Tensor]


def draw_weights(model: Any, seed: int) -> None:
    """Draw the initial weights as the layers' configs say: on the CPU, so that all devices start from the same ones."""
    if not MMLogger.check_instance_created("pixelproof"):
        MMLogger.get_instance("pixelproof", log_level="ERROR")  # otherwise MMEngine prints a line for each tensor
    torch.manual_seed(seed)
    model.init_weights()


class Learner:
    """A network on its device, with all that changes its weights."""

    def __init__(self, model: Any, frozen: list[str], train: Train, compute: Compute, device: str) -> None:
        self.compute, self.device, self.frozen = compute, device, frozen
        self.accumulate, self.deterministic = train.accumulate, train.deterministic
        self.shared = distributed.is_available() and distributed.is_initialized()
        self.model = model.to(device)
        if self.shared and device == "cuda":
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)  # type: ignore[no-untyped-call]
        self.network: Any = share(self.model, device) if self.shared else self.model  # what a forward pass calls
        self.steps = Steps(
            build_optimizer(self.model, train.optimizer), train.optimizer.clip, device, compute.precision == "fp16"
        )
        self.average = Average(self.model, train.ema, train.ema_warmup) if train.ema else None
        if train.compile:
            compile_parts(self.model)

    def train_mode(self) -> None:
        """Put the network into training mode, but for what is frozen."""
        train_mode(self.model, self.frozen)

    def learn(self, batch: Batch, iteration: int, share: float) -> Tensor:
        """One iteration, counted from 0, at a share of the peak learning rate; the loss stays on the device.

        The gradients of several batches may make one step: those in between are not shared with other processes.
        """
        set_learning_rate(self.steps.optimizer, share)
        whole = self.is_whole(iteration + 1)
        with self.network.no_sync() if self.shared and not whole else nullcontext():
            loss = self.loss(batch)
            self.steps.backward(loss / self.accumulate)
        if whole:
            self.steps.step()
        return loss.detach()

    def rate(self, share: float) -> float:
        """The learning rate of the first part at a share of its peak."""
        return float(share * self.steps.optimizer.param_groups[0]["initial_lr"])

    def is_whole(self, done: int) -> bool:
        """Whether no gradients wait for a step after so many iterations."""
        return done % self.accumulate == 0

    def loss(self, batch: Batch) -> Tensor:
        """The sum of all losses of a forward pass."""
        with ExitStack() as stack:
            stack.enter_context(autocast(self.compute, self.device))
            if self.deterministic:
                stack.enter_context(DeterministicForms())
            losses = self.network(**self.model.data_preprocessor(batch, True), mode="loss")
        total: Tensor = self.model.parse_losses(losses)[0]
        return total

    def update_average(self) -> None:
        """Take the weights after an iteration into their average."""
        if self.average is not None:
            self.average.update()

    @contextmanager
    def to_validate(self) -> Iterator[Any]:
        """The network as it is validated and published: with averaged weights, and the same in all processes."""
        if self.shared:  # batch norm's statistics are each process's own, and those of the first count
            for buffer in self.model.buffers():
                distributed.broadcast(buffer, 0)
        with self.average.in_place() if self.average else nullcontext():
            yield self.model
        self.train_mode()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs; tensors are shared, not copied."""
        average = self.average.state_dict() if self.average else None
        return {"model": self.model.state_dict(), "average": average, "steps": self.steps.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.steps.load_state_dict(state["steps"])


def share(model: nn.Module, device: str) -> DistributedDataParallel:
    """The network among several processes: all begin with the weights of the first, and average their gradients."""
    place = [torch.cuda.current_device()] if device == "cuda" else None
    return DistributedDataParallel(model, device_ids=place, forward_sync_buffers=False)


def compile_parts(model: Any) -> None:
    """Compile the forward passes: weights keep their names, and MMSegmentation's code around them stays Python."""
    parts = [getattr(model, name, None) for name in ("backbone", "neck", "decode_head", "auxiliary_head")]
    for part in parts:
        for module in part if isinstance(part, nn.ModuleList) else [part]:
            if module is not None:
                module.forward = torch.compile(module.forward)
