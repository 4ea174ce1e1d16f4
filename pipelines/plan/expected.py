"""What the repository's files would be after the stages planned so far: the plan looks here, not on disk.

The outputs of a stage that will run are unknown. Those of a stage that DVC will restore are in its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.dvc.content import hash_of_digests
from pipelines.dvc.graph import stages_that_ran
from pipelines.dvc.lock import touches
from pipelines.plan.listings import Listing, Recorded, kept, path_of, present, within, without


@dataclass
class Expected:
    """The working tree, except for outputs that stages will have remade by then."""

    repo: Any
    open: dict[str, str] = field(default_factory=dict)  # output -> the stage that may remake it
    restored: dict[str, Any] = field(default_factory=dict)  # output -> the hash with which DVC restores it
    _hashes: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with the working tree as it is."""
        self.recorded = Recorded(self.repo)
        self.ran = stages_that_ran(self.repo.index.stages)

    def leave_open(self, stage: str, outs: Sequence[Any]) -> None:
        """A stage will or may run: what it writes is unknown."""
        self.open |= {path_of(out): stage for out in outs}

    def restore(self, outs: Sequence[Any]) -> None:
        """DVC will restore these, each with its hash."""
        self.restored |= {path_of(out): out.hash_info for out in outs}

    def writers(self, dep: Any) -> list[str]:
        """The stages that may remake what a stage reads, or a part of it."""
        path = path_of(dep)
        return list(dict.fromkeys(stage for out, stage in self.open.items() if touches(path, [out])))

    def hash_of(self, dep: Any) -> str | None:
        """The hash that DVC will find for an input that no stage remakes; None if it is missing."""
        path = path_of(dep)
        if path in self.restored:
            return str(self.restored[path].value)
        if touches(path, self.restored):
            listing = self.listing(path)
            return hash_of_digests(path, listing) if listing else None
        key = path, dep.hash_name
        if key not in self._hashes:
            self._hashes[key] = str(dep.get_hash().value) if dep.exists else None
        return self._hashes[key]

    def listing(self, path: str) -> Listing:
        """The files at a path."""
        inside = [out for out in self.restored if touches(path, [out])]
        files = dict(without(present(self.repo, path), inside))
        for out in inside:
            files |= within(kept(self.repo, out, self.restored[out]) or {}, path)
        return files
