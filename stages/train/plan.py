"""What is due when in a training, in iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stages.train.params import Schedule, Train, iterations_of
from stages.train.schedule import factor


@dataclass(frozen=True)
class Plan:
    """The spans of params in iterations, and what goes with them."""

    iterations: int
    val_interval: int
    checkpoint_interval: int
    patience: int
    schedule: Schedule
    compile: bool

    def factor(self, iteration: int) -> float:
        """What the highest learning rate is multiplied by."""
        return factor(self.schedule, iteration, self.iterations)


def planned(train: Train, images: int) -> Plan:
    """The plan of a training on so many images; gradients are accumulated to the end."""
    iterations = iterations_of(train.iterations, images, train.batch)
    return Plan(
        iterations=math.ceil(iterations / train.accumulate) * train.accumulate,
        val_interval=iterations_of(train.val_interval, images, train.batch),
        checkpoint_interval=train.checkpoint_interval,
        patience=train.patience,
        schedule=train.schedule,
        compile=train.compile,
    )
