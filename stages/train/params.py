"""The params of train. All of them change numbers, so all but the list of seeds are declared for each training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from stages.models.runtime import Compute
from stages.params import Section

Flip = Literal["horizontal", "vertical"]


class Optimizer(Section):
    """What changes the weights."""

    name: Literal["adamw", "sgd"] = Field(description="adamw, or sgd with momentum 0.9")
    lr: float = Field(gt=0, le=10, description="the highest learning rate of the schedule")
    weight_decay: float = Field(ge=0, le=1, description="decoupled for adamw, L2 for sgd")
    clip: float = Field(ge=0, description="the largest norm that all gradients together may have; 0 is off")


class Schedule(Section):
    """How the learning rate goes over the iterations."""

    name: Literal["onecycle", "poly"] = Field(description="onecycle (Smith 2018), or poly with power 0.9 to zero")
    warmup: float = Field(gt=0, lt=1, description="the share of the iterations in which the learning rate rises")


class Train(Section):
    """The section `train`, without `seeds` and `scale`: the list of runs and the shape are others' to read."""

    iterations: int = Field(ge=1, description="batches to train on")
    batch: int = Field(ge=1, description="images in one batch, over all devices together")
    accumulate: int = Field(ge=1, description="batches whose gradients make one step of the optimizer")
    optimizer: Optimizer
    schedule: Schedule
    balance: float = Field(ge=0, le=1, description="rare classes count more: weights are frequency^-balance; 0 is off")
    ema: float = Field(
        ge=0, lt=1, description="decay of the averaged weights that are validated and published; 0 is off"
    )
    flips: list[Flip] = Field(description="random flips of each training image: horizontal, vertical")
    workers: int = Field(ge=0, description="processes that load data; changes no number")
    val_interval: int = Field(ge=1, description="iterations between two validations; the best one is published")
    checkpoint_interval: int = Field(ge=1, description="iterations between two checkpoints; changes no number")

    @model_validator(mode="after")
    def _whole_steps(self) -> Train:
        for name in ("iterations", "checkpoint_interval"):
            if getattr(self, name) % self.accumulate:
                raise ValueError(f"expected {name} to be a multiple of accumulate ({self.accumulate})")
        return self


class Params(Section):
    """What train reads."""

    seed: int = Field(ge=0, description="the seed of everything; another seed gives another synthetic dataset too")
    compute: Compute
    train: Train
