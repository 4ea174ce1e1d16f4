"""The type of the section `augment` in params.yaml: the policy is a list of steps, each with its own settings."""

from __future__ import annotations

from pydantic import Field

from pixelproof.augmentation.policies import POLICIES, Policy
from pixelproof.core.params import Section


class Rare(Section):
    """More copies of images that hold a rare class."""

    copies: int = Field(ge=0, le=100, description="further copies of each; 0: none")
    below: float = Field(gt=0, lt=1, description="a class is rare if it has a smaller share of the labelled pixels")


class Augment(Section):
    """Offline copies of the train split."""

    copies: int = Field(ge=0, le=100, description="augmented copies per training image")
    rare: Rare
    workers: int = Field(ge=1, le=256, description="processes that make them; does not affect the output")
    policy: Policy = Field(
        description=f"steps applied to each copy, in this order: a list, or one of {', '.join(POLICIES)}"
    )


class Params(Section):
    """The part of params.yaml that the stage reads."""

    seed: int = Field(ge=0, lt=2**32, description="every random number is derived from it")
    augment: Augment = Field(description="offline copies of the train split")
