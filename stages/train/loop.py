"""The training loop, whose bytes repeat: iterations, each followed by a validation and a checkpoint if they are due.

- Before each iteration torch is seeded from (seed, iteration, rank): dropout then depends neither on earlier
  validations nor on restarts.
- A validation that is due runs before the checkpoint of its iteration, so that none is lost between the two.
- The host waits for the device only to read the losses: of each iteration on the CPU, where that costs nothing, and
  else of as many together as make a point of the curve, or when a validation or a checkpoint is due.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pixelproof.core import times
from stages.train.checkpoint import Checkpoints
from stages.train.curves import Curves
from stages.train.data import Labelled, Order
from stages.train.endings import Stop, not_a_number
from stages.train.learner import Batch, Learner
from stages.train.plan import Plan
from stages.train.progress import TrainingProgress
from stages.train.readings import Readings

CURVE_INTERVAL = 10  # iterations averaged in one point of the training curve


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
    """One training: its iterations, its curves, its best weights and its checkpoint."""

    def __init__(
        self, course: Course, records: Records, validate: Callable[[Any], dict[str, float]], device: str
    ) -> None:
        self.seed, self.plan, self.order, self.data = course.seed, course.plan, course.order, course.data
        self.checkpoints, self.curves, self.progress = records.checkpoints, records.curves, records.progress
        self.main, self.validate = records.main, validate
        self.readings = Readings(device, 1 if device == "cpu" else CURVE_INTERVAL)
        self.losses: list[float] = []  # since the last point of the curve
        self.done = 0
        self.best: dict[str, Any] = {"iteration": 0, "mIoU": -1.0, "weights": {}}

    def iterate(self, learner: Learner, batches: Iterator[Batch]) -> None:
        """Train from the start, or from the resumed iteration, to the end."""
        self.progress.begin(self.done)
        learner.train_mode()
        with without_training_accuracy(), Stop() as stop:
            while self.done < self.plan.iterations and not self.out_of_patience():
                batch = next(batches)
                torch.manual_seed(iteration_seed(self.seed, self.done, self.order.rank))
                loss = learner.learn(batch, self.done, self.plan.factor(self.done))
                self.note(loss, stop.asked)
                learner.update_average()
                self.done += 1
                self.after_iteration(learner)
                asked = stop.asked if self.order.world == 1 else self.readings.asked
                if asked and learner.is_whole(self.done):
                    self.leave(learner, asked)
        self.progress.end()

    def note(self, loss: torch.Tensor, asked: int) -> None:
        """Keep the loss of an iteration, and the signal that this process got, to be read later."""
        self.readings.note(loss, asked)

    def read(self, learner: Learner) -> None:
        """Read the latest losses for the curve; the first that is not a number ends the run."""
        first = self.done - self.readings.count
        for iteration, loss in enumerate(self.readings.read(), first):
            if not math.isfinite(loss):
                ids = [self.data.id(index) for _, index in self.order.keys(iteration)]
                raise not_a_number(loss, iteration + 1, learner.rate(self.plan.factor(iteration)), ids)
            self.losses.append(loss)

    def after_iteration(self, learner: Learner) -> None:
        """Update the curve, validate and save a checkpoint, as far as each is due after an iteration, in this order."""
        last = self.done == self.plan.iterations
        point = self.done % CURVE_INTERVAL == 0 or last
        validated = self.done % self.plan.val_interval == 0 or last
        saved = validated or self.done % self.plan.checkpoint_interval == 0
        if self.readings.full or point or saved:
            self.read(learner)
        if point:
            lr = learner.rate(self.plan.factor(self.done - 1))
            self.curves.add(self.done, {"train/loss": float(np.mean(self.losses)), "train/lr": lr})
            self.losses = []
        if validated:
            self.validation(learner)
        self.progress.show(self.done, self.curves.rows)
        if saved and learner.is_whole(self.done):
            self.save(learner)

    def leave(self, learner: Learner, asked: int) -> None:
        """Save, and end the process as the signal asked."""
        self.read(learner)
        self.save(learner)
        self.progress.say(f"stopped by {signal.Signals(asked).name} after iteration {self.done}, which is saved")
        self.progress.say("run the same command again to resume")
        raise SystemExit(128 + asked)

    def out_of_patience(self) -> bool:
        """Whether the best validation is as many validations ago as params allow."""
        waited: int = self.done - self.best["iteration"]
        return 0 < self.plan.patience * self.plan.val_interval <= waited

    def validation(self, learner: Learner) -> None:
        """Validate, and keep the weights if they are the best so far."""
        with learner.to_validate() as model:
            self.judge(model)

    def judge(self, model: Any) -> None:
        """Score weights, and keep them if they are the best so far, or if there is nothing to judge them by."""
        scores = self.validate(model)
        score = scores.get("val/mIoU")
        if score is None or score > self.best["mIoU"]:
            self.keep(model, self.done, score)
        self.curves.add(self.done, scores)

    def keep(self, model: Any, iteration: int, score: float | None) -> None:
        """Keep a copy of the weights as the best ones so far; of several processes, the first does for all."""
        found = model.state_dict().items() if self.main else ()
        weights = {name: tensor.to("cpu", copy=True) for name, tensor in found}
        self.best = {"iteration": iteration, "mIoU": score, "weights": weights}

    def fit(self, model: Any) -> None:
        """Fit a model without gradients to all images at once; this counts as one iteration."""
        self.done = 1
        seed = iteration_seed(self.seed, 0, 0) % 2**32
        images = (self.data.read(index) for index in range(len(self.data)))
        facts = model.fit(images, len(self.data), self.data.classes, seed)
        self.progress.say(", ".join(f"{name} {value}" for name, value in facts.items()))
        self.judge(model)

    def save(self, learner: Learner) -> None:
        """Write the checkpoint; only the first of several processes does."""
        if not self.main:
            return
        own = {"iteration": self.done, "losses": self.losses, "curves": self.curves.rows, "best": self.best}
        self.checkpoints.save(own | learner.state_dict())

    def resume(self, state: dict[str, Any], learner: Learner) -> None:
        """Go on from the checkpoint of a killed process."""
        learner.load_state_dict(state)
        self.losses, self.best = state["losses"], state["best"]
        self.curves.restore([tuple(row) for row in state["curves"]])
        self.done = self.order.start = state["iteration"]
        times.resumed()
        self.progress.say(f"resumed after iteration {state['iteration']}")


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
