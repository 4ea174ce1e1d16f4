"""The type of the section `cvat` in params.yaml."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pixelproof.core.errors import ParamsError, nearest, unknown_name
from pixelproof.core.params import Section
from pixelproof.data.photos import Window

IGNORED = "ignore"  # the value of cvat.background for pixels that belong to no class
MOST_LABELS = 254
Skippable = Literal["polyline", "points", "cuboid", "skeleton", "tag", "box", "caption"]  # boxes of VOC, COCO, YOLO
Subset = Literal["train", "val", "test", "unsplit"]


class ByRegex(Section):
    """Groups by a pattern in the images' names."""

    regex: str = Field(description="a regular expression; its first group, else all that it finds, is the group")


class ByFile(Section):
    """Groups or scales by a table."""

    file: str = Field(description="a table in the folder of the exports: the columns name and group (metres_per_pixel)")


GROUPINGS = ("folder", "task", "subset", "export", "image")
Grouping = Literal["folder", "task", "subset", "export", "image"] | ByRegex | ByFile
Scaling = Literal["none", "auto"] | ByFile


class Label(Section):
    """One label of the exports, which becomes one class; its position in the list is its id."""

    name: str = Field(min_length=1, description="the label's name in CVAT")
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$", description="#rrggbb, for masks shown to people")
    thing: bool = Field(description="its objects can be counted: each shape (or CVAT group of shapes) is one")


class Cvat(Section):
    """Where the exports are, and what their labels mean."""

    exports: str = Field(
        description="a folder of this repository; every export in it (a .zip, or a folder of annotations) is read"
    )
    group: Grouping = Field(
        description="what must stay in one split: the image's folder in CVAT (else its task), its task, subset or"
        " export, each image by itself, or what `regex: PATTERN` or `file: groups.csv` says"
    )
    background: str = Field(description="class of the pixels that no shape covers, or `ignore`")
    skip: list[Skippable] = Field(description="kinds of shapes without area to skip and count; any other is an error")
    subsets: dict[str, Subset] = Field(
        default_factory=dict,
        description="the split of each subset in CVAT that is not called train, val, test or default",
    )
    window: Window | None = Field(
        default=None,
        description="how 16 bits become 8, `{low: 0, high: 65535}`; `init` measures it; null: there is none",
    )
    scale: Scaling = Field(
        default="none",
        description="the metres that a pixel covers: none; auto: by GeoTIFF, or by camera and height of a drone;"
        " or `file: scale.csv`, a table beside the exports, and auto for images that it lacks",
    )
    classes: list[Label] = Field(
        min_length=1, max_length=MOST_LABELS, description="the labels of the exports: name, color, thing"
    )

    @field_validator("group", mode="before")
    @classmethod
    def _group_is_known(cls, value: object) -> object:
        """Says it in one line: pydantic would list each form that the value could have had."""
        if isinstance(value, dict) and [*value] == ["regex"] and isinstance(value["regex"], str):
            return {"regex": checked_regex(value["regex"])}
        if isinstance(value, dict) and [*value] == ["file"] and isinstance(value["file"], str):
            if not _is_inside(value["file"]):
                raise ParamsError("cvat.group.file", repr(value["file"]), "must be in the folder of the exports")
            return value
        if not isinstance(value, str | Section) or (isinstance(value, str) and value not in GROUPINGS):
            allowed = f"allowed: {', '.join(GROUPINGS)}, regex: PATTERN, or file: groups.csv"
            raise ParamsError("cvat.group", repr(value), f"{allowed}{nearest(str(value), GROUPINGS)}")
        return value

    @field_validator("scale", mode="before")
    @classmethod
    def _scale_is_known(cls, value: object) -> object:
        """In one line, as groups."""
        if isinstance(value, dict) and [*value] == ["file"] and isinstance(value["file"], str):
            if not _is_inside(value["file"]):
                raise ParamsError("cvat.scale.file", repr(value["file"]), "must be in the folder of the exports")
            return value
        if value not in ("none", "auto") and not isinstance(value, Section):
            raise ParamsError("cvat.scale", repr(value), "allowed: none, auto, or file: scale.csv")
        return value

    @field_validator("exports")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if not _is_inside(value):
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


def _is_inside(value: str) -> bool:
    path = PurePosixPath(value)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def checked_regex(pattern: str) -> str:
    """A regular expression, if it is one.

    Raises:
        ParamsError: It is none.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ParamsError("cvat.group.regex", repr(pattern), f"no regular expression: {error}") from None
    return pattern
