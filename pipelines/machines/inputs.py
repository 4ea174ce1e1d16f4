"""What a stage would run from, told from recorded hashes, so that no data need be here: its key on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.compare.store import Store
from pipelines.dvc.content import hash_of_digests
from pipelines.dvc.lists import Listing
from pipelines.dvc.lock import Record
from pipelines.dvc.revision import Revision
from pixelproof.core.errors import StateError


@dataclass(frozen=True)
class Inputs:
    """The command, the params by file, the MD5 of each dep, and where the results go."""

    command: Any
    params: dict[str, dict[str, Any]]
    deps: dict[str, str | None]
    outs: tuple[str, ...]

    @property
    def key(self) -> str:
        """A digest of all of it: runs with the same key must end in the same bytes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()

    @property
    def computes(self) -> bool:
        """Whether it is told on which device to compute."""
        return any(key in ("compute", "compute.device") for keys in self.params.values() for key in keys)

    def same_as(self, record: Record) -> bool:
        """Whether a run that dvc.lock records was from the same."""
        of = record.command, record.params, record.deps, set(record.outs)
        return of == (self.command, self.params, self.deps, set(self.outs))


@dataclass(frozen=True)
class Known:
    """The outputs and their hashes as far as they are known, and where the lists of folders are.

    Args:
        hashes: the MD5 of outputs and of data that a .dvc file records, by path; those of a stage that is yet to run
            are not there.
        uncached: outputs that are files of git and not of DVC's cache.
        store: DVC's cache and remote, for the lists of folders.
        commit: what git tracks.
    """

    hashes: Mapping[str, str]
    uncached: frozenset[str]
    store: Store
    commit: Revision

    def hash_of(self, dep: Any) -> str | None:
        """The MD5 that DVC would record of a dep once all outputs are there."""
        path = dep.def_path
        if path in self.hashes and path not in self.uncached:
            return self.hashes[path]
        within = next((out for out in self.hashes if path.startswith(f"{out}/") and out not in self.uncached), None)
        if within:
            return self._part(within, path)
        below = [out for out in self.hashes if out.startswith(f"{path}/") and out not in self.uncached]
        if below:
            return self._around(path, below)
        dep.save()  # of git, and in the working tree
        return str(dep.hash_info.value)

    def _part(self, out: str, path: str) -> str:
        """The hash of a file or folder in an output."""
        below = str(PurePosixPath(path).relative_to(out))
        files = self._listing(out)
        if below in files:
            return files[below]
        chosen = {name.removeprefix(f"{below}/"): oid for name, oid in files.items() if name.startswith(f"{below}/")}
        if not chosen:
            raise StateError(path, f"the output {out} has nothing of this name", "see what its stage writes")
        return hash_of_digests("", chosen)

    def _around(self, path: str, outs: Iterable[str]) -> str:
        """The hash of a folder that outputs lie in, beside files of git."""
        files: Listing = {}
        for name in self.commit.files(path):
            content = Path(name).read_bytes()
            below = PurePosixPath(name).relative_to(path).as_posix()
            files[below] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        for out in outs:
            below, oid = PurePosixPath(out).relative_to(path).as_posix(), self.hashes[out]
            inner = self._listing(out) if oid.endswith(".dir") else None
            files |= {below: oid} if inner is None else {f"{below}/{name}": found for name, found in inner.items()}
        return hash_of_digests("", files)

    def _listing(self, out: str) -> Listing:
        found = self.store.listing(self.hashes[out], out)
        if found is None:
            why = self.store.why()
            raise StateError(out, f"neither DVC's cache nor its remote has the list of its files{why}", "`dvc push` it")
        return found


def inputs_of(stage: Any, known: Known) -> Inputs:
    """What a stage would run from now.

    Args:
        stage: DVC's object of it.
        known: the outputs of the stages before it.

    Raises:
        StateError: the list of a folder is not to be had.
    """
    from dvc.stage.serialize import split_params_deps

    params, deps = split_params_deps(stage)
    return Inputs(
        command=stage.cmd,
        params=dict(_values(params)),
        deps={dep.def_path: known.hash_of(dep) for dep in deps},
        outs=tuple(sorted(out.def_path for out in stage.outs)),
    )


def _values(params: Iterable[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The values that dvc.lock would record, by file; a file of which nothing is declared is left out."""
    for dep in params:
        dep.save()
        if dep.hash_info.value:
            yield dep.def_path, dict(dep.hash_info.value)
