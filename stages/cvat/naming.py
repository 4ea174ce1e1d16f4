"""What an image of an export is called here, and what it must stay together with."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from stages.cvat.params import Grouping


def id_of(export: str, name: str, group: Grouping) -> str:
    """`flight3-0001` for `flight3/0001.png`.

    The export's name is part of it only where exports are what matters: a task exported anew under another file name
    must not move its images to another split.
    """
    stem = PurePosixPath(name).with_suffix("").as_posix()
    return slug(f"{export}/{stem}" if group == "export" else stem)


def group_of(export: str, name: str, task: str, group: Grouping) -> str:
    """The folder of the image's name, else its task in a project's export, else the export; or as params say."""
    if group == "image":
        return id_of(export, name, group)
    folder = PurePosixPath(name).parent.as_posix()
    if group == "folder" and folder != ".":
        return folder
    return f"task-{task}" if group == "folder" and task else export


def slug(name: str) -> str:
    """A name that can be an id: runs of other characters become `-`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._") or "image"
