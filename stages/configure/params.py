"""The params of configure: which architectures, and at which size."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from stages.configure.resolve import names
from stages.errors import unknown_name
from stages.params import Section


class Shape(Section):
    """The one knob of `train` that shapes a network."""

    scale: Literal["small", "full"] = Field(description="small trains on a CPU; full is the paper's size")


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
