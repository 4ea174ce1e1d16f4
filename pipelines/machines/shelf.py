"""Results and checkpoints under the key of a stage's inputs, on DVC's default remote, beside DVC's own objects.

Any kind of remote can hold them: files are only written, read and removed by their name, and nothing is listed. What is
read was written whole, or is not taken for it: a result ends with its digest, and a checkpoint is named by its own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.compare.store import in_public
from pipelines.machines.job import Result
from pixelproof.core.errors import StateError
from pixelproof.core.files import sha256

FOLDER = "pixelproof"
RESULT = "result.json"
CHECKPOINTS = "checkpoints.json"


@dataclass(frozen=True)
class Shelf:
    """What is kept for the runs of one key.

    Args:
        remote: DVC's remote.
        key: of the inputs.
    """

    remote: Any
    key: str

    def result(self) -> Result | None:
        """The result of a run that has ended; None if there is none, or its outputs are not there any more."""
        if (content := self._read(RESULT)) is None:
            return None
        result = Result.of(content)
        with self._named(RESULT):
            return result if all(map(self.remote.odb.exists, result.cached.values())) else None

    def keep_result(self, result: Result) -> None:
        """Write the result."""
        self._write(RESULT, result.as_dict())

    def checkpoints(self) -> dict[str, str]:
        """The checkpoints of a run that was killed: the SHA-256 of each, by its path in the clone."""
        return self._read(CHECKPOINTS) or {}

    def fetch_checkpoint(self, digest: str, path: Path) -> bool:
        """Put a checkpoint where the training looks for it; False if it is not to be had whole."""
        with self._named(digest), TemporaryDirectory() as folder:
            fetched = Path(folder, digest)
            with suppress(FileNotFoundError):
                self.remote.fs.get_file(self._path(digest), str(fetched))
            if not fetched.is_file() or sha256(fetched) != digest:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fetched, path)
            return True

    def keep_checkpoints(self, files: Mapping[str, Path]) -> None:
        """Keep these checkpoints, each by its path in the clone, in place of those that are kept."""
        before = self.checkpoints()
        now = {name: sha256(path) for name, path in files.items()}
        if now == before:
            return
        for name, digest in now.items():
            if digest not in before.values():
                self._upload(files[name], digest)
        self._write(CHECKPOINTS, now)
        for digest in set(before.values()) - set(now.values()):
            self._remove(digest)

    def drop_checkpoints(self) -> None:
        """Remove all checkpoints: the run has ended well."""
        if kept := self.checkpoints():
            for name in (CHECKPOINTS, *kept.values()):
                self._remove(name)

    def _path(self, name: str) -> str:
        return str(self.remote.fs.join(self.remote.path, FOLDER, self.key[:2], self.key[2:], name))

    def _read(self, name: str) -> dict[str, Any] | None:
        with self._named(name):
            try:
                with self.remote.fs.open(self._path(name), "rb") as file:
                    digest, _, content = file.read().partition(b"\n")
            except FileNotFoundError:
                return None
        if hashlib.sha256(content).hexdigest().encode() != digest:  # its writer was killed
            return None
        found: dict[str, Any] = json.loads(content)
        return found

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        content = json.dumps(value).encode()
        with TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            self._upload(path, name)

    def _upload(self, path: Path, name: str) -> None:
        with self._named(name):
            to = self._path(name)
            self.remote.fs.makedirs(self.remote.fs.parent(to), exist_ok=True)
            self.remote.fs.put_file(str(path), to)

    def _remove(self, name: str) -> None:
        with self._named(name), suppress(FileNotFoundError):
            self.remote.fs.remove(self._path(name))

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Each kind of remote has errors of its own; they become one line."""
        try:
            yield
        except StateError:
            raise
        except Exception as error:
            where = f"the remote {self.remote.name}: {FOLDER}/{self.key[:8]}…/{name[:12]}"
            raise StateError(where, in_public(error), "see that the remote can be read and written") from error
