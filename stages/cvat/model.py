"""What an export says, whatever format it is written in: shapes of images, and where their photographs are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pixelproof.data.outlines import Outline


@dataclass(frozen=True)
class Shape:
    """One labelled area. A higher `z` lies on top, ties go to the later shape.

    Shapes of one label in one `group` are one object (0: each on its own). A `crowd` is many objects in one outline:
    its pixels have the label and belong to no object.
    """

    label: str
    outline: Outline
    z: int = 0
    group: int = 0
    crowd: bool = False


@dataclass(frozen=True)
class Painted:
    """Labels given as pictures: the members of the export that hold them."""

    classes: str  # a picture of colours
    objects: str | None  # a picture in which each object has its own colour; None if there is none
    colours: Mapping[tuple[int, int, int], str | None]  # the label of each colour; None: unlabelled


@dataclass(frozen=True)
class Annotated:
    """One image: its name in its task, and its labels."""

    name: str  # a relative path, as the task has it; with its extension where the format tells
    task: str  # the task's key; "" if the format does not tell: the export's own then
    subset: str  # "" if there is none
    width: int
    height: int
    labels: tuple[Shape, ...] | Painted
    member: str | None  # the photograph's path in the export; None if the export holds no photographs
    frame: int | None = None  # of a video


@dataclass(frozen=True)
class Parsed:
    """An export as it was read."""

    format: str
    labels: Mapping[str, str]  # name -> #rrggbb, or "" where the export has none; in the export's order
    images: tuple[Annotated, ...]
    undrawn: Counter[str] = field(default_factory=Counter)  # shapes without an area, by kind
    undrawn_at: Mapping[str, str] = field(default_factory=dict)  # where the first of each kind is, for messages
    notes: Counter[str] = field(default_factory=Counter)  # what else the user is told, by what it is
    project: bool = False  # an export of a whole project: its images say which task they are of
