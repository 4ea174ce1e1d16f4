"""The params of configure: which architectures, and at which size."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

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
    def _each_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("expected each architecture once")
        return names
