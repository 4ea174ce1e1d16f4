"""When things are due in a training, in iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stages.train.params import Schedule, Train, iterations_of
from stages.train.schedule import factor


@dataclass(frozen=True)
class Plan:
    """The spans of params in iterations, and the settings that go with them."""

    iterations: int
    val_interval: int
    checkpoint_interval: int
    patience: int
    schedule: Schedule
    compile: bool

    def factor(self, iteration: int) -> float:
        """The factor of the peak learning rate."""
        return factor(self.schedule, iteration, self.iterations)


def planned(train: Train, images: int) -> Plan:
    """The plan of a training on so many images; the last step of the optimizer has all its batches."""
    iterations = iterations_of(train.iterations, images, train.batch)
    return Plan(
        iterations=math.ceil(iterations / train.accumulate) * train.accumulate,
        val_interval=iterations_of(train.val_interval, images, train.batch),
        checkpoint_interval=train.checkpoint_interval,
        patience=train.patience,
        schedule=train.schedule,
        compile=train.compile,
    )
