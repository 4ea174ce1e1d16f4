"""The type of the section `prepare` in params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pixelproof.core.params import Section
from pixelproof.data.shape import Shape
from pixelproof.data.splitting import Split

SourceName = Literal["download", "cvat"]
Accepted = Literal["void", "twice"]


class Prepare(Section):
    """What to merge, the shape of the images and the splits."""

    sources: list[SourceName] = Field(
        min_length=1, max_length=2, description="datasets to merge; the first one defines the classes"
    )
    shape: Shape = Field(description="how images of any size become those that networks are trained on")
    map: dict[SourceName, dict[str, str]] = Field(
        description="per source: its class -> the class to count it as, or `ignore`; only the first source may make new"
        " names, and equal names need no entry"
    )
    accept: list[Accepted] = Field(
        description="what is an error otherwise, for published protocols that do it: void, a class of this name counts;"
        " twice, one image stands in two splits"
    )
    split: Split = Field(description="how to split the groups of a source that has no splits of its own")

    @field_validator("map")
    @classmethod
    def _names_are_shown(cls, value: dict[SourceName, dict[str, str]]) -> dict[SourceName, dict[str, str]]:
        for source, moved in value.items():
            for name, target in moved.items():
                if not target.strip() or not target.isprintable():
                    raise ValueError(f"{source}: {name!r}: expected a name in one line, or `ignore`; found {target!r}")
        return value

    @field_validator("sources")
    @classmethod
    def _names_each_once(cls, value: list[SourceName]) -> list[SourceName]:
        if len(set(value)) < len(value):
            raise ValueError("each source once")
        return value


class Params(Section):
    """The part of params.yaml that the stage reads."""

    prepare: Prepare = Field(description="what to merge, the shape of the images and the splits")
