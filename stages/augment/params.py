"""The type of the section `augment` in params.yaml: the policy is a list of steps, each with its own knobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pixelproof.core.params import Section


class Flip(Section):
    """Mirror the image."""

    name: Literal["flip"]
    p: float = Field(ge=0, le=1, description="how often")
    axis: Literal["horizontal", "vertical"] = Field(description="which sides change places")


class Rotate(Section):
    """Turn the image around its centre; what comes in from outside is black and ignored."""

    name: Literal["rotate"]
    p: float = Field(ge=0, le=1, description="how often")
    degrees: float = Field(gt=0, le=180, description="at most this far, either way")


class Crop(Section):
    """Cut out a part of the same aspect and enlarge it to the image's size."""

    name: Literal["crop"]
    p: float = Field(ge=0, le=1, description="how often")
    area: float = Field(gt=0, lt=1, description="at least this share of the image's area is kept")


class Color(Section):
    """Change brightness, contrast and saturation, each by a factor of 1 +- its value."""

    name: Literal["color"]
    p: float = Field(ge=0, le=1, description="how often")
    brightness: float = Field(ge=0, lt=1, description="largest change of brightness")
    contrast: float = Field(ge=0, lt=1, description="largest change of contrast")
    saturation: float = Field(ge=0, lt=1, description="largest change of saturation")


class Noise(Section):
    """Add Gaussian noise to each pixel and channel."""

    name: Literal["noise"]
    p: float = Field(ge=0, le=1, description="how often")
    std: float = Field(gt=0, le=1, description="largest standard deviation, as a share of the full range")


Step = Annotated[Flip | Rotate | Crop | Color | Noise, Field(discriminator="name")]


class Augment(Section):
    """Offline copies of the train split."""

    copies: int = Field(ge=0, le=100, description="changed copies of each train image")
    workers: int = Field(ge=1, le=256, description="processes that make them; changes no byte")
    policy: list[Step] = Field(description="what is done to each copy, in this order: flip, rotate, crop, color, noise")


class Params(Section):
    """What the stage reads of params.yaml."""

    seed: int = Field(ge=0, description="every random number is derived from it")
    augment: Augment = Field(description="offline copies of the train split")
