"""Where in CVAT an image of the dataset comes from: its task, its name there, and its frame."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from commands._cvat.address import read_host
from pixelproof.core.errors import DataError
from pixelproof.data.dataset import Sample

if TYPE_CHECKING:
    from commands._cvat.frames import Frames

INDEX = Path("data/annotations/index.csv")
RESTORE = "restore the folder with `bin/python -m dvc checkout data/annotations`"


@dataclass(frozen=True)
class Origin:
    """What to click in CVAT; empty where it is not known. `gone`: the server shows no such task."""

    task: str = ""
    name: str = ""
    frame: str = ""
    url: str = ""
    gone: bool = False


@dataclass(frozen=True)
class Origins:
    """Of all images.

    Attributes:
        rows: the index of data/annotations by id, where there is one.
        host: the server's address; empty if it is not known.
        frames: by task, what the server says of it; None if it shows none.
    """

    rows: Mapping[str, Mapping[str, str]]
    host: str
    frames: Mapping[str, Frames | None] = field(default_factory=dict)

    @classmethod
    def read(cls, index: Path = INDEX, environ: Mapping[str, str] = os.environ) -> Origins:
        """Read the index, if there is one, and where the server is, if the environment says it.

        Raises:
            DataError: the index is no table with the columns task, name and id.
            StateError: CVAT_HOST is not the address of a server.
        """
        host = read_host(environ)
        if not index.is_file():
            return cls({}, host)
        try:
            with index.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(index, "a table in UTF-8", str(error), RESTORE) from None
        if rows and not {"task", "name", "id"} <= rows[0].keys():
            found = ", ".join(map(str, rows[0]))
            raise DataError(index, "columns task, name and id", found, RESTORE)
        first: dict[str, Mapping[str, str]] = {}
        for row in rows:  # a photograph in two tasks is one image: the labels of the line that is not overruled count
            if row["id"] not in first or not row.get("overruled"):
                first[row["id"]] = row
        return cls(first, host)

    def of(self, sample: Sample) -> Origin:
        """The origin of one image, of the whole image for a tile.

        Example:
            >>> Origins({}, "https://cvat.example").of(Sample("12-flight3-0001", "flight3", 64, 64, "cvat"))
            Origin(task='12', name='', frame='', url='https://cvat.example/tasks/12', gone=False)
        """
        whole = sample.parent or sample.id
        if row := self.rows.get(whole):
            task, name, frame = row["task"], row["name"], row.get("frame") or ""
        else:
            number = re.match(r"([0-9]+)-", whole) if sample.source == "cvat" else None
            task, name, frame = number[1] if number else "", "", ""
        shown = self.frames.get(task)
        if task in self.frames and shown is None:
            return Origin(task, name, frame, gone=True)
        if shown and (place := shown.place(whole, name, frame)):
            at, job = place
            return Origin(task, name, str(at), f"{self.host}/tasks/{task}/jobs/{job}?frame={at}")
        return Origin(task, name, frame, f"{self.host}/tasks/{task}" if self.host and task.isdigit() else "")
