"""Reads the frames of a task as the SDK has them, and names one that cannot be read: the SDK does not."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cvat_sdk.core.progress import NullProgressReporter
from cvat_sdk.datasets.common import MediaElement, Sample
from PIL import Image, UnidentifiedImageError

from pixelproof.core.errors import DataError

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, zipfile.BadZipFile, zlib.error,
              Image.DecompressionBombError)  # fmt: skip


@dataclass(frozen=True)
class Frame(MediaElement):  # type: ignore[misc]
    """A frame of a task."""

    where: str  # names it in errors
    media: Any  # as the SDK has it

    def load_image(self) -> Any:
        """Pillow's image.

        Raises:
            DataError: It is damaged, or none.
        """
        try:
            return self.media.load_image()
        except UNREADABLE as error:
            if isinstance(error, OSError) and error.errno:  # of the disk, not of the image
                raise
            found = "something else" if isinstance(error, UnidentifiedImageError) else str(error)
            fix = "remove the frame in CVAT, or make the task again without it"
            raise DataError(self.where, "a whole image", found, fix) from None


class Reading(NullProgressReporter):  # type: ignore[misc]
    """The SDK's iteration over frames: all of them can say which they are."""

    def __init__(self, task: int) -> None:
        """Take the task's number."""
        super().__init__()
        self.of = f"task {task}"

    def iter(self, iterable: Iterable[Sample]) -> Iterator[Sample]:
        """The samples of the task's frames."""
        for each in iterable:
            media = Frame(f"{self.of}: frame {each.frame_index}, {each.frame_name!r}", each.media)
            yield Sample(each.frame_index, each.frame_name, each.annotations, media)
