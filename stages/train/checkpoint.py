"""Checkpoints to resume from. They live outside the stage's outputs, which DVC deletes before it runs the stage, in a
folder of the clone named by the digest of everything the training depends on: data, params, code, config, versions.

A checkpoint is one file, replaced atomically: the SHA-256 of what follows, so that a damaged one is not resumed, then
only tensors and plain values, which are read with `weights_only=True`, so that loading them runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any, BinaryIO

from pixelproof.core.errors import StateError
from pixelproof.core.files import files_below, replacing, sha256
from pixelproof.core.params import declared_keys, part_under, read_yaml

FOLDER = Path(".pixelproof/checkpoints")
DIGEST_BYTES = hashlib.sha256().digest_size


def files_of_inputs(arch: str, seed: int) -> dict[str, str]:
    """The digest of every file that dvc.yaml declares for this training."""
    found = {}
    for dep in read_yaml(Path("dvc.yaml"))["stages"]["train"]["deps"]:
        path = Path(dep.replace("${item.arch}", arch).replace("${item.seed}", str(seed)))
        for file in files_below(path):
            found[file.as_posix()] = sha256(file)
    return found


def digest_of_inputs(arch: str, seed: int, files: dict[str, str], where: dict[str, Any]) -> str:
    """The digest of all that dvc.yaml declares for this training, and of the devices it runs on."""
    params = part_under(read_yaml(Path("params.yaml")), declared_keys(read_yaml(Path("dvc.yaml")), "train"))
    return hashlib.sha256(json.dumps([arch, seed, params, where, files], sort_keys=True).encode()).hexdigest()


class Hashed:
    """A file to write to that takes the SHA-256 of what it is given: no second copy of it is held."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()
        self.failed: OSError | None = None  # torch hides it behind an error of its own

    def write(self, content: Any) -> int:
        """Write some bytes."""
        self.digest.update(content)
        try:
            return self.file.write(content)
        except OSError as error:
            self.failed = error
            raise

    def flush(self) -> None:
        """For torch: there is nothing to flush before the end."""


class Behind:
    """What a file holds behind the digest, as a file of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.read, self.readinto, self.readline = file.read, file.readinto, file.readline  # type: ignore[attr-defined]

    def tell(self) -> int:
        """The place, counted from the digest's end."""
        return self.file.tell() - DIGEST_BYTES

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place that is counted from the digest's end."""
        return self.file.seek(offset + DIGEST_BYTES * (whence == os.SEEK_SET), whence) - DIGEST_BYTES


class Checkpoints:
    """The one checkpoint of one training; with folds, of the network of one of them."""

    def __init__(self, arch: str, seed: int, key: str, part: str = "") -> None:
        self.runs = FOLDER / arch / str(seed)
        self.path = self.runs / key / part / "checkpoint.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint atomically; it survives a power cut."""
        import torch

        with replacing(self.path, durable=True) as file:
            file.write(bytes(DIGEST_BYTES))
            hashed: Any = Hashed(file)
            try:
                torch.save(state, hashed)
            except RuntimeError as error:
                raise hashed.failed or error from None
            file.seek(0)
            file.write(hashed.digest.digest())

    def load(self) -> dict[str, Any] | None:
        """The checkpoint of an earlier, killed process, or None."""
        import torch

        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as file:
                digest = file.read(DIGEST_BYTES)
                if hashlib.file_digest(file, "sha256").digest() != digest:
                    raise StateError(str(self.path), "a damaged checkpoint", "delete the file to train from scratch")
                file.seek(DIGEST_BYTES)
                content: Any = Behind(file)
                state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
            found = f"not one of our checkpoints ({' '.join(str(error).split())[:120]})"
            raise StateError(str(self.path), found, "delete the file to train from scratch") from None
        return state

    def remove(self) -> None:
        """Remove the checkpoints of this architecture and seed: the training is done."""
        shutil.rmtree(self.runs, ignore_errors=True)
