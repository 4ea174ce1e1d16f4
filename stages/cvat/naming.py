"""The ids of images, and the groups that must stay in one split."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from stages.cvat.params import Grouping


def id_of(export: str, name: str, group: Grouping) -> str:
    """`flight3-0001` for `flight3/0001.png`.

    The export's name is part of it only if images are grouped by export: exporting a task again under another file
    name must not move its images to another split.
    """
    stem = PurePosixPath(name).with_suffix("").as_posix()
    return slug(f"{export}/{stem}" if group == "export" else stem)


def group_of(export: str, name: str, task: str, group: Grouping) -> str:
    """The image's folder, else its task (in a project's export), else the export; or what cvat.group says."""
    if group == "image":
        return id_of(export, name, group)
    folder = PurePosixPath(name).parent.as_posix()
    if group == "folder" and folder != ".":
        return folder
    return f"task-{task}" if group == "folder" and task else export


def slug(name: str) -> str:
    """A valid id from a name: runs of characters that an id cannot have become `-`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-._") or "image"
