"""MMEngine's Runner and its iteration loop, extended for repeatable and resumable runs.

- Before each iteration torch is seeded from (seed, iteration, rank): dropout then depends neither on earlier
  validations nor on restarts.
- A validation that is due runs before the checkpoint of its iteration, so that none is lost between the two.
- Checkpoints are our own (see checkpoint.py): MMEngine's fall back to unsafe unpickling, and lack the best weights.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS, OPTIM_WRAPPERS
from mmengine.runner import IterBasedTrainLoop, Runner

from pixelproof.core import times
from pixelproof.nn.deterministic import DeterministicForms
from pixelproof.nn.distributed import global_mean
from pixelproof.nn.runtime import Compute, autocast
from stages.train.checkpoint import Checkpoints
from stages.train.curves import Curves
from stages.train.data import Labelled, Order
from stages.train.endings import Stop, not_a_number
from stages.train.plan import Plan
from stages.train.progress import TrainingProgress

CURVE_INTERVAL = 10  # iterations averaged in one point of the training curve


@OPTIM_WRAPPERS.register_module()
class ProofOptimWrapper(OptimWrapper):  # type: ignore[misc]
    """An optimizer whose forward pass runs in the precision of `compute`; MMEngine's own refuses bf16 on the CPU."""

    def __init__(self, *args: Any, compute: Compute, device: str, deterministic: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.compute, self.device, self.deterministic = compute, device, deterministic

    def optim_context(self, model: torch.nn.Module) -> Any:
        """The context of one forward pass."""
        stack = ExitStack()
        stack.enter_context(super().optim_context(model))
        stack.enter_context(autocast(self.compute, self.device))
        if self.deterministic:
            stack.enter_context(DeterministicForms())
        return stack


@OPTIM_WRAPPERS.register_module()
class ScaledOptimWrapper(ProofOptimWrapper):
    """The same for fp16, whose smallest gradients would be zero: the loss is scaled up, and the gradients down again.

    A step with a gradient that is not finite is left out, and the scale halved.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scaler = torch.amp.GradScaler(self.device)

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Add the scaled gradients of one batch."""
        self.scaler.scale(loss).backward(**kwargs)  # type: ignore[no-untyped-call]
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Update the weights with the gradients at their own scale."""
        if self.clip_grad_kwargs:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state and the scale, which a resumed training goes on with."""
        return {**super().state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        self.scaler.load_state_dict(state_dict.pop("scaler"))
        super().load_state_dict(state_dict)


class ProofRunner(Runner):  # type: ignore[misc]
    """A Runner that resumes from our checkpoint and logs nothing about the machine it runs on."""

    def __init__(self, device: str, run: Run, **kwargs: Any) -> None:
        self.device, self.run = device, run
        super().__init__(**kwargs)

    def wrap_model(self, model_wrapper_cfg: Any, model: torch.nn.Module) -> Any:
        """Move the model to the configured device; synchronise its batch norm over several devices."""
        if not self.distributed:
            return model.to(self.device)
        from mmengine.model import MMDistributedDataParallel, convert_sync_batchnorm

        if self.device == "cpu":
            return MMDistributedDataParallel(model)
        device = torch.device("cuda", torch.cuda.current_device())
        return MMDistributedDataParallel(convert_sync_batchnorm(model.to(device), "torch"), device_ids=[device.index])

    def load_or_resume(self) -> None:
        """Called by MMEngine when everything is built and before the loop starts."""
        self.run.resume(self)

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        pass

    def dump_config(self) -> None:
        """Do nothing: the config is already a versioned file."""


@LOOPS.register_module()
class ProofLoop(IterBasedTrainLoop):  # type: ignore[misc]
    """Iterations, each followed by a validation and a checkpoint if they are due."""

    def run(self) -> Any:
        """Train from the start, or from the resumed iteration, to the end."""
        run: Run = self.runner.run
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        if run.plan.compile:
            compile_parts(unwrapped(self.runner.model))
        run.progress.begin(self._iter)
        with without_training_accuracy(), Stop() as stop:
            while self._iter < self._max_iters and not run.out_of_patience():
                self.runner.model.train()
                batch = next(self.dataloader_iterator)
                torch.manual_seed(iteration_seed(run.seed, self._iter, self.runner.rank))
                self.run_iter(batch)
                run.after_iteration(self.runner, self._iter)
                if (asked := stop.agreed(run.order.world)) and run.can_save(self.runner, self._iter):
                    run.leave(self.runner, self._iter, asked)
        run.progress.end()
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_iter(self, data_batch: Any) -> None:
        """One forward and backward pass."""
        run: Run = self.runner.run
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=data_batch)
        lr = set_learning_rate(self.runner.optim_wrapper.optimizer, run.plan.factor(self._iter))
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        run.note_loss(global_mean(outputs["loss"]), lr, self._iter)
        self.runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=data_batch, outputs=outputs)
        self._iter += 1


def set_learning_rate(optimizer: Any, share: float) -> float:
    """Set the learning rate of each part to a share of its peak, and return that of the first."""
    for group in optimizer.param_groups:
        group["lr"] = share * group.setdefault("initial_lr", group["lr"])
    return float(optimizer.param_groups[0]["lr"])


def compile_parts(model: Any) -> None:
    """Compile the forward passes: weights keep their names, and MMSegmentation's code around them stays Python."""
    parts = [getattr(model, name, None) for name in ("backbone", "neck", "decode_head", "auxiliary_head")]
    for part in parts:
        for module in part if isinstance(part, torch.nn.ModuleList) else [part]:
            if module is not None:
                module.forward = torch.compile(module.forward)


def iteration_seed(seed: tuple[int, int], iteration: int, rank: int) -> int:
    """The seed of torch's global generator for one iteration of one process."""
    return int(np.random.SeedSequence([*seed, iteration, rank]).generate_state(1, np.uint64)[0])


@contextmanager
def without_training_accuracy() -> Iterator[None]:
    """Skip the accuracy that heads compute in training: nothing reads it, and a small network spends a tenth on it."""
    from mmseg.models.decode_heads import decode_head

    ranked, unread = decode_head.accuracy, torch.zeros(1)
    decode_head.accuracy = lambda *_, **__: unread
    try:
        yield
    finally:
        decode_head.accuracy = ranked


@dataclass(frozen=True)
class Course:
    """What is decided before a training begins."""

    seed: tuple[int, int]
    plan: Plan
    order: Order
    data: Labelled


@dataclass(frozen=True)
class Records:
    """What a training records while it runs."""

    checkpoints: Checkpoints
    curves: Curves
    progress: TrainingProgress
    main: bool  # the first of several processes, which alone writes checkpoints


class Run:
    """The state of a training that MMEngine does not keep: curves, best weights, checkpoint."""

    def __init__(
        self,
        course: Course,
        records: Records,
        validate: Callable[[Any], dict[str, float]],
        start: Callable[[Any], None],
    ) -> None:
        self.seed, self.plan, self.order, self.data = course.seed, course.plan, course.order, course.data
        self.checkpoints, self.curves, self.progress = records.checkpoints, records.curves, records.progress
        self.main, self.validate = records.main, validate
        self.start = start  # loads the initial weights of a new training
        self.losses: list[float] = []
        self.done = 0
        self.best: dict[str, Any] = {"iteration": 0, "mIoU": -1.0, "weights": {}}

    def note_loss(self, loss: float, lr: float, iteration: int) -> None:
        """Keep a loss for the curve; one that is not a number ends the run."""
        if not math.isfinite(loss):
            ids = [self.data.id(index) for _, index in self.order.keys(iteration)]
            raise not_a_number(loss, iteration + 1, lr, ids)
        self.losses.append(loss)

    def after_iteration(self, runner: ProofRunner, iteration: int) -> None:
        """Update the curve, validate and save a checkpoint, as far as each is due after an iteration, in this order."""
        self.done = iteration
        last = iteration == self.plan.iterations
        if iteration % CURVE_INTERVAL == 0 or last:
            lr = float(runner.optim_wrapper.get_lr()["lr"][0])
            self.curves.add(iteration, {"train/loss": float(np.mean(self.losses)), "train/lr": lr})
            self.losses = []
        validated = iteration % self.plan.val_interval == 0 or last
        if validated:
            self.validation(runner, iteration)
        self.progress.show(iteration, self.curves.rows)
        due = validated or iteration % self.plan.checkpoint_interval == 0
        if due and self.can_save(runner, iteration):
            self.save(runner, iteration)

    def can_save(self, runner: ProofRunner, iteration: int) -> bool:
        """Whether no accumulated gradients are pending."""
        return bool(iteration % runner.optim_wrapper._accumulative_counts == 0)

    def leave(self, runner: ProofRunner, iteration: int, asked: int) -> None:
        """Save, and end the process as the signal asked."""
        self.save(runner, iteration)
        self.progress.say(f"stopped by {signal.Signals(asked).name} after iteration {iteration}, which is saved")
        self.progress.say("run the same command again to resume")
        raise SystemExit(128 + asked)

    def out_of_patience(self) -> bool:
        """Whether the best validation is as many validations ago as params allow."""
        waited: int = self.done - self.best["iteration"]
        return 0 < self.plan.patience * self.plan.val_interval <= waited

    def validation(self, runner: ProofRunner, iteration: int) -> None:
        """Validate, and keep the weights if they are the best so far."""
        runner.call_hook("before_val_epoch")  # averaged weights replace the trained ones
        scores = self.validate(unwrapped(runner.model))
        if scores["val/mIoU"] > self.best["mIoU"]:
            self.keep(unwrapped(runner.model), iteration, scores["val/mIoU"])
        runner.call_hook("after_val_epoch", metrics=scores)
        self.curves.add(iteration, scores)

    def keep(self, model: Any, iteration: int, score: float) -> None:
        """Keep a copy of the weights as the best ones so far."""
        weights = {name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}
        self.best = {"iteration": iteration, "mIoU": score, "weights": weights}

    def fit(self, model: Any) -> None:
        """Fit a model without gradients to all images at once; this counts as one iteration."""
        self.done = 1
        seed = iteration_seed(self.seed, 0, 0) % 2**32
        images = (self.data.read(index) for index in range(len(self.data)))
        facts = model.fit(images, len(self.data), self.data.classes, seed)
        self.progress.say(", ".join(f"{name} {value}" for name, value in facts.items()))
        scores = self.validate(model)
        self.keep(model, self.done, scores["val/mIoU"])
        self.curves.add(self.done, scores)

    def save(self, runner: ProofRunner, iteration: int) -> None:
        """Write the checkpoint; only the first of several processes does."""
        if not self.main:
            return
        ema = ema_hook(runner)
        self.checkpoints.save(
            {
                "iteration": iteration,
                "model": unwrapped(runner.model).state_dict(),
                "ema": ema.ema_model.state_dict() if ema else None,
                "optimizer": runner.optim_wrapper.state_dict(),
                "losses": self.losses,
                "curves": self.curves.rows,
                "best": self.best,
            }
        )

    def resume(self, runner: ProofRunner) -> None:
        """Resume from the checkpoint of a killed process, if there is one."""
        state = self.checkpoints.load()
        if state is None:
            self.start(unwrapped(runner.model))
            return
        unwrapped(runner.model).load_state_dict(state["model"])
        if ema := ema_hook(runner):
            ema.ema_model.load_state_dict(state["ema"])
        runner.optim_wrapper.load_state_dict(state["optimizer"])
        self.losses, self.best, self.done = state["losses"], state["best"], state["iteration"]
        self.curves.restore([tuple(row) for row in state["curves"]])
        runner.train_loop._iter = self.order.start = state["iteration"]
        times.resumed()
        self.progress.say(f"resumed after iteration {state['iteration']}")


def unwrapped(model: Any) -> Any:
    """The network inside a wrapper for several devices."""
    return model.module if hasattr(model, "module") else model


def ema_hook(runner: Runner) -> Any:
    """MMEngine's EMA hook, where the run has one."""
    return next((hook for hook in runner.hooks if isinstance(hook, EMAHook)), None)
