"""The type of the section `cvat` in params.yaml."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pixelproof.core.errors import ParamsError, unknown_name
from pixelproof.core.params import Section

Grouping = Literal["folder", "export", "image"]
IGNORED = "ignore"  # the value of cvat.background for pixels that belong to no class
Skippable = Literal["polyline", "points", "cuboid", "skeleton", "tag"]


class Label(Section):
    """One label of the exports, which becomes one class; its position in the list is its id."""

    name: str = Field(min_length=1, description="the label's name in CVAT")
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$", description="#rrggbb, for masks shown to people")
    thing: bool = Field(description="its objects can be counted: each shape (or CVAT group of shapes) is one")


class Cvat(Section):
    """Where the exports are, and what their labels mean."""

    exports: str = Field(
        description="a folder of this repository; every .zip in it, and every folder with annotations.xml, is read"
    )
    group: Grouping = Field(
        description="what must stay in one split: the image's folder in CVAT (else task, else export), export or image"
    )
    background: str = Field(description="class of the pixels that no shape covers, or `ignore`")
    skip: list[Skippable] = Field(description="kinds of shapes without area to skip and count; any other is an error")
    classes: list[Label] = Field(
        min_length=1, max_length=255, description="the labels of the exports: name, color, thing"
    )

    @field_validator("exports")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError("must be a folder inside the repository, relative to its root")
        return value

    @model_validator(mode="after")
    def _names_are_known(self) -> Cvat:
        names = [label.name for label in self.classes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ParamsError("cvat.classes", f"{twice[0]!r} twice", "use each name once")
        if self.background not in [*names, IGNORED]:
            raise unknown_name("cvat.background", self.background, [*names, IGNORED])
        return self


class Params(Section):
    """The part of params.yaml that the stage reads."""

    cvat: Cvat = Field(description="annotations drawn in CVAT")
