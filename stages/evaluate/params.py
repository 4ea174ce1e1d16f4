"""The type of the `evaluate` section of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from pixelproof.core.params import Section
from pixelproof.data.shape import Shape
from pixelproof.nn.overrides import Overrides
from pixelproof.nn.runtime import Compute

Flip = Literal["horizontal", "vertical"]


class Boundary(Section):
    """How boundaries are compared."""

    tolerances: list[Annotated[int, Field(ge=1, le=64)]] = Field(
        min_length=1, description="how far apart a true and a predicted boundary may lie, in pixels; scored for each"
    )

    @field_validator("tolerances")
    @classmethod
    def _in_order(cls, value: list[int]) -> list[int]:
        if value != sorted(set(value)):
            raise ValueError("expected each once, in ascending order")
        return value


class Sizes(Section):
    """The bounds between small, medium and large objects."""

    medium: int = Field(ge=1, description="the smallest area of a medium object, in pixels; below it is small")
    large: int = Field(ge=1, description="the smallest area of a large object, in pixels")

    @field_validator("large")
    @classmethod
    def _above_medium(cls, large: int, info: ValidationInfo) -> int:
        if large <= info.data.get("medium", 0):
            raise ValueError(f"expected more than medium, {info.data['medium']}")
        return large


class Objects(Section):
    """How objects of `thing` classes are counted."""

    match: float = Field(
        ge=0, lt=1, description="a true object is found if a predicted one has an IoU with it above this"
    )
    sizes: Sizes = Field(
        description="bounds of areas; 64 and 576 are COCO's 32^2 and 96^2, for images with a quarter of the side"
    )
    split: Literal["components", "watershed"] = Field(
        default="components",
        description="the objects of networks that know classes alone: what hangs together, or that cut at its necks",
    )
    neck: float = Field(
        default=2.0,
        gt=0,
        le=1000,
        description="watershed: how many pixels nearer to the outline the middle of a neck is",
    )
    most: int = Field(
        default=100,
        ge=1,
        le=100000,
        description="detections of each class in an image that count for AP, the best ones",
    )


class Calibration(Section):
    """How certainty is compared with accuracy."""

    bins: int = Field(ge=1, le=1000, description="bins of equal width in the reliability diagram and the ECE")


class Intervals(Section):
    """The intervals of pooled scores, from how they differ between groups of images."""

    confidence: float = Field(gt=0, lt=1, description="confidence level of the intervals")


class Quality(Section):
    """What is measured besides the confusion matrix."""

    boundary: Boundary = Field(description="boundary F1 and boundary IoU")
    objects: Objects = Field(description="objects found, missed and invented, by class and by area")
    calibration: Calibration = Field(description="calibration error and uncertainty")
    intervals: Intervals = Field(description="confidence intervals of the pooled scores")


class Augmentation(Section):
    """Views of an image whose probabilities are averaged: every scale and angle with every combination of flips."""

    flips: list[Flip] = Field(description="horizontal, vertical; both together give four views, [] the original alone")
    scales: list[Annotated[float, Field(gt=0, le=8)]] = Field(
        min_length=1, description="factors of width and height; [1.0] is the original alone"
    )

    rotations: list[Annotated[float, Field(ge=-45, le=45)]] = Field(
        default=[0.0], description="degrees, clockwise; [0.0] is the original alone, and 0 is always among them"
    )

    @field_validator("rotations")
    @classmethod
    def _upright_too(cls, value: list[float]) -> list[float]:
        if 0 not in value:
            raise ValueError("expected 0 too: turned images do not show all corners")
        return value

    @field_validator("flips", "scales", "rotations")
    @classmethod
    def _each_once(cls, value: list[Flip] | list[float]) -> list[Flip] | list[float]:
        if len(set(value)) < len(value):
            raise ValueError("expected each once")
        return value


class Inference(Section):
    """How images are passed through the network."""

    window: int = Field(
        ge=0, description="side of the sliding window in pixels; 0: whole images, or the tiles of prepare.shape"
    )
    stride: int = Field(ge=1, description="pixels from one window to the next; logits are averaged where they overlap")
    tta: Augmentation = Field(description="test-time augmentation: probabilities averaged over views")

    @field_validator("stride")
    @classmethod
    def _no_gaps(cls, stride: int, info: ValidationInfo) -> int:
        if 0 < info.data.get("window", 0) < stride:
            raise ValueError(f"expected at most the window, {info.data['window']}: every pixel must be in one")
        return stride


class Evaluate(Inference, Quality):
    """How the network is run over the val and test splits, and what is measured."""

    batch: int = Field(
        ge=1,
        le=1024,
        description="images per forward pass; of windows of a large image, no more than 512x512 pixels together",
    )
    overrides: Overrides = Field(
        description="overrides of trained networks that keep their weights, such as dilation rates"
    )


class Trained(Section):
    """The one setting of `train` that evaluation shares."""

    deterministic: bool


class Prepared(Section):
    """What evaluation shares with `prepare`."""

    shape: Shape  # described in prepare's params


class Params(Section):
    """The part of params.yaml that the evaluate stage reads."""

    compute: Compute = Field(description="where and how the network computes, in train and evaluate")
    evaluate: Evaluate = Field(description="one pass over val and test")
    prepare: Prepared
    train: Trained
