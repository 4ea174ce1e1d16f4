"""The params of train. All of them change numbers, so all but the list of seeds are declared for each training."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from pixelproof.core.params import Section
from pixelproof.nn.runtime import Compute

Flip = Literal["horizontal", "vertical"]
Kind = Literal["none", "power", "inverse", "median"]


def _span(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[1-9]\d* epochs?", value):
        return value
    if type(value) is int and value >= 1:
        return value
    raise ValueError("expected a number of iterations, or of epochs as in `40 epochs`")


Span = Annotated[int | str, PlainValidator(_span)]


def iterations_of(span: int | str, images: int, batch: int) -> int:
    """A span in iterations: those of an epoch show every image at least once."""
    return span if isinstance(span, int) else math.ceil(int(span.split()[0]) * images / batch)


class Optimizer(Section):
    """What changes the weights."""

    name: Literal["adamw", "sgd"] = Field(description="adamw, or sgd with momentum 0.9")
    lr: float = Field(gt=0, le=10, description="the highest learning rate of the schedule")
    weight_decay: float = Field(ge=0, le=1, description="decoupled for adamw, L2 for sgd")
    clip: float = Field(ge=0, description="the largest norm that all gradients together may have; 0 is off")
    lr_factors: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        description="what the lr of a part is multiplied by: {backbone: 0.1}; parts are backbone, decode_head, ..."
    )


class Schedule(Section):
    """How the learning rate goes over the iterations."""

    name: Literal["onecycle", "poly", "cosine"] = Field(
        description="onecycle (Smith 2018); poly with power 0.9 to zero; cosine (Loshchilov and Hutter 2017) to zero"
    )
    warmup: float = Field(gt=0, lt=1, description="the share of the iterations in which the learning rate rises")


class LossTerm(Section):
    """One of the losses that are added up."""

    name: Literal["cross_entropy", "focal", "dice", "lovasz"] = Field(
        description="focal has gamma 2; class weights are for cross_entropy and focal"
    )
    weight: float = Field(gt=0, description="what it is multiplied by before the losses are added up")


class Balance(Section):
    """How much rare classes weigh in the losses that take class weights."""

    by: Kind = Field(description="power: frequency^-power; inverse: frequency^-1; median: Eigen and Fergus 2015")
    power: float = Field(ge=0, le=1, description="for `by: power`: 0 weighs all classes alike, 1 is inverse")


class Train(Section):
    """The section `train`, without `seeds`, `scale` and `pretrained`, which are others' to read."""

    freeze: int = Field(ge=0, description="the first stages of the encoder that learn nothing, batch norm included")
    iterations: Span = Field(description="batches to train on; or, as in `40 epochs`, how often to show every image")
    batch: int = Field(ge=1, description="images in one batch, over all devices together")
    accumulate: int = Field(ge=1, description="batches whose gradients make one step of the optimizer")
    optimizer: Optimizer
    schedule: Schedule
    loss: list[LossTerm] = Field(min_length=1, description="takes the place of the cross-entropy of every head")
    balance: Balance
    ema: float = Field(
        ge=0, lt=1, description="decay of the averaged weights that are validated and published; 0 is off"
    )
    flips: list[Flip] = Field(description="random flips of each training image: horizontal, vertical")
    workers: int = Field(ge=0, description="processes that load data; changes no number")
    val_interval: Span = Field(description="iterations, or epochs, between two validations; the best one is published")
    patience: int = Field(ge=0, description="validations without a better one that end the training; 0 is never")
    checkpoint_interval: int = Field(ge=1, description="iterations between two checkpoints; changes no number")
    decoded: float = Field(ge=0, description="GiB of disk for images kept decoded, in .pixelproof; changes no number")
    compile: bool = Field(description="torch.compile: slow to start, faster from then on; needs a C++ compiler")
    deterministic: bool = Field(
        description="on CUDA, the same seed gives the same bytes, at some cost; on the CPU it does either way"
    )

    @model_validator(mode="after")
    def _whole_steps(self) -> Train:
        for name in ("iterations", "checkpoint_interval"):
            if isinstance(span := getattr(self, name), int) and span % self.accumulate:
                raise ValueError(f"expected {name} to be a multiple of accumulate ({self.accumulate})")
        return self


class Params(Section):
    """What train reads."""

    seed: int = Field(ge=0, description="the seed of everything; another seed gives another synthetic dataset too")
    compute: Compute
    train: Train
