"""The params of configure: which architectures, at which size, and what their training begins with."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from stages.configure.resolve import names
from stages.errors import unknown_name
from stages.params import Section


class Shape(Section):
    """The knobs of `train` that shape a network and its first weights."""

    scale: Literal["small", "full"] = Field(description="small trains on a CPU; full is the paper's size")
    pretrained: str = Field(
        description="first weights: none (random), imagenet, a file in pretrained/, or a url with #sha256=<64 hex>"
    )


class Params(Section):
    """What configure reads."""

    architectures: list[str] = Field(min_length=1, description="names of files in stages/configure/architectures/")
    train: Shape

    @field_validator("architectures")
    @classmethod
    def _known_and_once(cls, architectures: list[str]) -> list[str]:
        if len(set(architectures)) < len(architectures):
            raise ValueError("expected each architecture once")
        for name in architectures:
            if name not in names():
                raise unknown_name("architectures", name, names())
        return architectures
