"""The params of configure: which architectures, their size and changes, and what their training begins with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from pixelproof.core.errors import unknown_name
from pixelproof.core.params import Section
from pixelproof.nn.overrides import Overrides
from stages.configure.resolve import names


class Shape(Section):
    """The knobs of `train` that shape a network and its first weights."""

    scale: Literal["small", "full"] = Field(description="small trains on a CPU; full is the paper's size")
    pretrained: str = Field(
        description="first weights: none (random), imagenet, a file in pretrained/, or a url with #sha256=<64 hex>"
    )


class Changes(Section):
    """Changes of networks by the architecture's name: for all of a run, or (in `evaluate`) for its end alone."""

    overrides: Overrides = Field(description="by architecture: {a key of its data/configs/<architecture>.json: value}")


class Params(Section):
    """What configure reads."""

    architectures: list[str] = Field(min_length=1, description="names of files in pixelproof/networks/architectures/")
    configure: Changes
    train: Shape
    evaluate: Changes

    @field_validator("architectures")
    @classmethod
    def _known_and_once(cls, architectures: list[str]) -> list[str]:
        if len(set(architectures)) < len(architectures):
            raise ValueError("expected each architecture once")
        for name in architectures:
            if name not in names():
                raise unknown_name("architectures", name, names())
        return architectures

    @field_validator("configure", "evaluate")
    @classmethod
    def _known(cls, changes: Changes, info: ValidationInfo) -> Changes:
        for name in changes.overrides:
            if name not in names():
                raise unknown_name(f"{info.field_name}.overrides", name, names())
        return changes
