"""Cache of decoded training images: a file of pixels that all loader processes and trainings on the same data map.

It is in a folder of the clone, outside DVC, named by the digest of the image files, and does not affect results. An
image is decoded and checked on first use. Its checksum is written after its pixels, and compared when a process first
reads it, so that an image which a power cut left half-written is decoded again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stages.train.data import Labelled, Pair

FOLDER = Path(".pixelproof/decoded")
OF_IMAGES = ("data/prepared/dataset.json", "data/prepared/train/", "data/augmented/")
ZEROS = bytes(2**20)
OF_DECODING = ("pixelproof/data/", "pixelproof/core/versions.json")


def key(files: dict[str, str]) -> str:
    """The digest of the images and of what decodes them, from the digests of all files that a training reads."""
    named = {name: digest for name, digest in files.items() if name.startswith(OF_IMAGES + OF_DECODING)}
    return hashlib.sha256(repr(sorted(named.items())).encode()).hexdigest()


class Decoded:
    """Reads like the `Labelled` that it caches; images beyond `gib` are decoded each time."""

    def __init__(self, data: Labelled, digest: str, gib: float, folder: Path = FOLDER) -> None:
        self.data, (self.width, self.height) = data, data.size
        self.bytes_each = self.width * self.height * 4  # RGB and the mask
        self.kept = min(len(data), int(gib * 2**30) // self.bytes_each)
        self.path = folder / f"{digest}-{self.kept}"
        self.maps = self._shared() if self.kept else None

    def __len__(self) -> int:
        return len(self.data)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"maps": None}  # otherwise the pixels would be pickled too

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.maps = self._mapped() if self.kept else None

    def id(self, index: int) -> str:
        """The id of an image."""
        return self.data.id(index)

    def read(self, index: int) -> Pair:
        """Image and mask, which must not be written to."""
        if self.maps is None or index >= self.kept:
            return self.data.read(index)
        pixels, sums, checked = self.maps
        slot = pixels[index]
        if not checked[index]:
            if sums[index] != checksum(slot):
                slot[:] = np.concatenate([part.ravel() for part in self.data.read(index)])
                sums[index] = checksum(slot)
            checked[index] = True
        area = self.height * self.width
        return slot[: 3 * area].reshape(self.height, self.width, 3), slot[3 * area :].reshape(self.height, self.width)

    def instances(self, index: int) -> NDArray[np.uint16] | None:
        """Instance ids, decoded each time: few trainings look at them."""
        return self.data.instances(index)

    def _shared(self) -> tuple[Any, Any, Any] | None:
        """The mapped files, made if they are not there; None without space.

        One process at a time: another that starts on other data could delete what this one has made and not yet mapped.
        """
        with alone(self.path.parent):
            return self._mapped() if self._reserved() else None

    def _reserved(self) -> bool:
        """Reserve space for all pixels at once: a full disk then shows here, and not as a crash in a mapping."""
        if self._whole():
            return True
        shutil.rmtree(self.path.parent, ignore_errors=True)  # caches of other data; processes that map them keep them
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            beside.mkdir(parents=True)
            for name, count in self._lengths():
                with (beside / name).open("wb") as file:
                    take_room(file, count)
            beside.rename(self.path)
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
        return self._whole()  # without space, nothing is cached

    def _lengths(self) -> tuple[tuple[str, int], ...]:
        """The files of the cache, and how many bytes each has."""
        return ("pixels", self.kept * self.bytes_each), ("sums", self.kept * 4)

    def _whole(self) -> bool:
        """Whether both files are there; somebody may have deleted one."""
        files = ((self.path / name, count) for name, count in self._lengths())
        return all(file.is_file() and file.stat().st_size == count for file, count in files)

    def _mapped(self) -> tuple[Any, Any, Any] | None:
        """Pixels, checksums, and which were compared; None if the files are gone."""
        try:
            pixels = np.memmap(self.path / "pixels", np.uint8, "r+", shape=(self.kept, self.bytes_each))
            sums = np.memmap(self.path / "sums", np.uint32, "r+", shape=(self.kept,))
        except FileNotFoundError:
            return None
        return pixels, sums, np.zeros(self.kept, bool)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time, on this machine, in a folder; the lock is beside it, as its own content may be deleted."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def take_room(file: BinaryIO, count: int) -> None:
    """Allocate a new file's space on the disk; macOS allocates only what is written."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, count)
        return
    for start in range(0, count, len(ZEROS)):
        file.write(ZEROS[: count - start])


def checksum(pixels: Any) -> int:
    """Never 0, which marks pixels that are not written yet."""
    return zlib.crc32(pixels) or 1
