"""The params of train; all but the list of seeds are dependencies of each training."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, field_validator, model_validator

from pixelproof.augmentation.policies import POLICIES, Policy
from pixelproof.core.params import Section
from pixelproof.nn.runtime import Compute

Flip = Literal["horizontal", "vertical"]
Side = Annotated[int, Field(ge=1, le=65536)]
Kind = Literal["none", "power", "inverse", "median"]
SETTINGS = {  # of each loss, beside its weight
    "cross_entropy": ("smoothing",),
    "ohem": ("threshold", "least"),
    "focal": ("gamma",),
    "binary_focal": ("gamma", "alpha"),
    "dice": (),
    "lovasz": (),
}
MOST = 10_000_000  # iterations, or epochs: more is a slip of the keyboard, noticed after days


def _span(value: Any) -> Any:
    if isinstance(value, str) and (epochs := re.fullmatch(r"([1-9]\d*) epochs?", value)) and int(epochs[1]) <= MOST:
        return value
    if type(value) is int and 1 <= value <= MOST:
        return value
    raise ValueError(f"expected iterations, or epochs as in `40 epochs`, of at most {MOST:,}")


Span = Annotated[int | str, PlainValidator(_span)]


def iterations_of(span: int | str, images: int, batch: int) -> int:
    """A span in iterations; those of an epoch show every image at least once."""
    return span if isinstance(span, int) else math.ceil(int(span.split()[0]) * images / batch)


class Optimizer(Section):
    """The optimizer."""

    name: Literal["adamw", "sgd"] = Field(description="adamw, or sgd with momentum 0.9")
    lr: float = Field(gt=0, le=10, description="the peak learning rate of the schedule")
    weight_decay: float = Field(ge=0, le=1, description="decoupled for adamw, L2 for sgd")
    clip: float = Field(ge=0, description="the maximum norm of all gradients together; 0 is off")
    lr_factors: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        description="factors of lr by part: {backbone: 0.1}; parts are backbone, decode_head, ..."
    )


class Schedule(Section):
    """How the learning rate changes over the iterations."""

    name: Literal["onecycle", "poly", "cosine"] = Field(
        description="onecycle (Smith 2018); poly with power 0.9 to zero; cosine (Loshchilov and Hutter 2017) to zero"
    )
    warmup: float = Field(gt=0, lt=1, description="the share of the iterations in which the learning rate rises")


class LossTerm(Section):
    """One of the losses that are added up."""

    name: Literal["cross_entropy", "ohem", "focal", "binary_focal", "dice", "lovasz"] = Field(
        description="class weights are for all but dice and lovasz"
    )
    weight: float = Field(gt=0, description="its factor in the sum of the losses")
    smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="cross_entropy: the share of a label spread over all classes"
    )
    threshold: float = Field(
        default=0.7, gt=0, le=1, description="ohem: pixels with a true class no more probable are hard"
    )
    least: float = Field(default=0.1, ge=0, le=1, description="ohem: the share of the pixels that is hard at least")
    gamma: float = Field(
        default=2.0, ge=0, le=10, description="focal, binary_focal: how much easy pixels are down-weighted"
    )
    alpha: float = Field(
        default=0.25, gt=0, lt=1, description="binary_focal: how a class weighs against all that is not it"
    )

    @property
    def settings(self) -> dict[str, float]:
        """What the loss of this name can be told, beside its weight."""
        return {key: getattr(self, key) for key in SETTINGS[self.name]}

    @model_validator(mode="after")
    def _own_settings(self) -> LossTerm:
        for key in sorted(self.model_fields_set - {"name", "weight", *SETTINGS[self.name]}):
            takers = " and ".join(name for name, keys in SETTINGS.items() if key in keys)
            raise ValueError(f"{key} is a setting of {takers}, not of {self.name}")
        return self


class Balance(Section):
    """How much rare classes weigh in the losses that take class weights."""

    by: Kind = Field(description="power: frequency^-power; inverse: frequency^-1; median: Eigen and Fergus 2015")
    power: float = Field(ge=0, le=1, description="for `by: power`: 0 weights all classes equally, 1 is inverse")


class Train(Section):
    """The section `train`, without `seeds`, `scale` and `pretrained`, which other stages read."""

    freeze: int = Field(ge=0, description="how many of the encoder's first stages are frozen, batch norm included")
    iterations: Span = Field(description="batches to train on; or, as in `40 epochs`, how often to show every image")
    batch: int = Field(ge=1, le=65536, description="images per batch, over all devices")
    accumulate: int = Field(ge=1, description="batches per step of the optimizer")
    optimizer: Optimizer
    schedule: Schedule
    loss: list[LossTerm] = Field(
        min_length=1,
        description=f"replaces the cross-entropy of every head, by the sum of some of {', '.join(SETTINGS)}",
    )
    balance: Balance
    ema: float = Field(
        ge=0, lt=1, description="decay of the averaged weights that are validated and published; 0 is off"
    )
    ema_warmup: bool = Field(
        description="after n iterations the decay is at most (1 + n) / (10 + n): the first weights are soon forgotten"
    )
    flips: list[Flip] = Field(description="random flips of each training image: horizontal, vertical")
    augment: Policy = Field(
        description=f"random changes of each training image, after the flips: a list of steps, or {', '.join(POLICIES)}"
    )
    crop: list[Side] | None = Field(
        description="what training sees of an image, as [width, height]; empty: all of it", min_length=2, max_length=2
    )
    workers: int = Field(ge=0, le=256, description="processes that load data; does not affect results")
    val_interval: Span = Field(
        description="iterations, or epochs, between two validations; the best weights are published"
    )
    val_batch: int = Field(ge=1, le=65536, description="images per forward pass in validation, on each device")
    patience: int = Field(ge=0, description="validations without improvement after which training stops; 0 is never")
    checkpoint_interval: int = Field(ge=1, description="iterations between two checkpoints; does not affect results")
    decoded: float = Field(
        ge=0, description="GiB of disk to cache decoded images, in .pixelproof; does not affect results"
    )
    compile: bool = Field(description="torch.compile: slow to start, then faster; needs a C++ compiler")
    deterministic: bool = Field(
        description="same seed, same bytes on CUDA too, at some cost in speed; on the CPU this always holds"
    )

    @property
    def crop_size(self) -> tuple[int, int] | None:
        """Width and height of `crop`, if there is one."""
        return None if self.crop is None else (self.crop[0], self.crop[1])

    @field_validator("deterministic")
    @classmethod
    def _not_compiled(cls, deterministic: bool, info: ValidationInfo) -> bool:
        if deterministic and info.data.get("compile"):
            raise ValueError(
                "torch.compile would not use our deterministic operations: set it or train.compile to false"
            )
        return deterministic

    @model_validator(mode="after")
    def _whole_steps(self) -> Train:
        for name in ("iterations", "checkpoint_interval"):
            if isinstance(span := getattr(self, name), int) and span % self.accumulate:
                raise ValueError(f"expected {name} to be a multiple of accumulate ({self.accumulate})")
        return self


class Params(Section):
    """The part of params.yaml that train reads."""

    seed: int = Field(ge=0, lt=2**32, description="the seed of everything; another gives another synthetic dataset too")
    compute: Compute
    train: Train
