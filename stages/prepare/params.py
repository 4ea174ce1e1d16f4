"""The type of the section `prepare` in params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pixelproof.core.params import Section
from pixelproof.data.shape import Shape
from pixelproof.data.splitting import Split

SourceName = Literal["download", "cvat"]


class Prepare(Section):
    """What to merge, the shape of the images and the splits."""

    sources: list[SourceName] = Field(
        min_length=1, max_length=2, description="datasets to merge; the first one defines the classes"
    )
    shape: Shape = Field(description="how images of any size become those that networks are trained on")
    map: dict[SourceName, dict[str, str]] = Field(
        description="per source: its class -> a class of the first source, or `ignore`; equal names need no entry"
    )
    split: Split = Field(description="how to split the groups of a source that has no splits of its own")

    @field_validator("sources")
    @classmethod
    def _names_each_once(cls, value: list[SourceName]) -> list[SourceName]:
        if len(set(value)) < len(value):
            raise ValueError("each source once")
        return value


class Params(Section):
    """The part of params.yaml that the stage reads."""

    prepare: Prepare = Field(description="what to merge, the shape of the images and the splits")
