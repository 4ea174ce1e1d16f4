"""The params of configure: the architectures, their scale, their overrides and their initial weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from pixelproof.core.errors import unknown_name
from pixelproof.core.params import Section
from pixelproof.nn.overrides import Overrides
from stages.configure.pretrained import check_form
from stages.configure.resolve import names


class Shape(Section):
    """The settings of `train` that define a network and its initial weights."""

    scale: Literal["small", "full"] = Field(description="small trains on a CPU; full is as in the paper")
    pretrained: str = Field(
        description="initial weights: none (random), imagenet, a file in pretrained/ ({arch} in its name is the "
        "architecture), or a url with #sha256=<64 hex>"
    )

    @field_validator("pretrained")
    @classmethod
    def _formed(cls, pretrained: str) -> str:
        check_form(pretrained)
        return pretrained


class Changes(Section):
    """Overrides by architecture: for the whole run, or (in `evaluate`) for evaluation only."""

    overrides: Overrides = Field(description="by architecture: {a key of its data/configs/<architecture>.json: value}")


class Params(Section):
    """The part of params.yaml that configure reads."""

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
