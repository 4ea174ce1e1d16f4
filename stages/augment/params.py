"""The type of the section `augment` in params.yaml: the policy is a list of steps, each with its own settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pixelproof.core.params import Section


class Flip(Section):
    """Mirror the image."""

    name: Literal["flip"]
    p: float = Field(ge=0, le=1, description="probability")
    axis: Literal["horizontal", "vertical"] = Field(description="which sides are swapped")


class Rotate(Section):
    """Rotate the image around its centre; pixels from outside it are black and ignored."""

    name: Literal["rotate"]
    p: float = Field(ge=0, le=1, description="probability")
    degrees: float = Field(gt=0, le=180, description="largest angle, in either direction")


class Crop(Section):
    """Crop with the same aspect ratio and enlarge to the image's size."""

    name: Literal["crop"]
    p: float = Field(ge=0, le=1, description="probability")
    area: float = Field(gt=0, lt=1, description="smallest share of the image's area that is kept")


class Color(Section):
    """Change brightness, contrast and saturation, each by a factor of 1 +- its value."""

    name: Literal["color"]
    p: float = Field(ge=0, le=1, description="probability")
    brightness: float = Field(ge=0, lt=1, description="largest change of brightness")
    contrast: float = Field(ge=0, lt=1, description="largest change of contrast")
    saturation: float = Field(ge=0, lt=1, description="largest change of saturation")


class Noise(Section):
    """Add Gaussian noise to each pixel and channel."""

    name: Literal["noise"]
    p: float = Field(ge=0, le=1, description="probability")
    std: float = Field(gt=0, le=1, description="largest standard deviation, as a share of the full range")


Step = Annotated[Flip | Rotate | Crop | Color | Noise, Field(discriminator="name")]


class Augment(Section):
    """Offline copies of the train split."""

    copies: int = Field(ge=0, le=100, description="augmented copies per training image")
    workers: int = Field(ge=1, le=256, description="processes that make them; does not affect the output")
    policy: list[Step] = Field(
        description="steps applied to each copy, in this order: flip, rotate, crop, color, noise"
    )


class Params(Section):
    """The part of params.yaml that the stage reads."""

    seed: int = Field(ge=0, lt=2**32, description="every random number is derived from it")
    augment: Augment = Field(description="offline copies of the train split")
