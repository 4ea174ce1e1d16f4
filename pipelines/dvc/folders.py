"""Compares the folders of outputs that stages read, and parts of outputs, with what dvc.lock says that stages wrote.

dvc.lock has one hash for a folder. Which files an output holds is in DVC's cache; where that lacks it, as in a fresh
clone, nothing can be said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pipelines.dvc.content import hash_of_digests, paths_in
from pipelines.dvc.lists import CACHE, MEND, read_list
from pipelines.dvc.strays import within

SHOWN = 3  # files that are named; the others are counted
AGAIN = "run again what reads it"
Listing = Mapping[str, str]  # path in the repository -> MD5


def contradictions(stages: Iterable[Any], tracked: Collection[str]) -> dict[str, list[str]]:
    """What stages read in another version than dvc.lock records as written, and the stages that read it.

    Args:
        stages: DVC's stages, .dvc files included.
        tracked: the files that git keeps. A folder that also holds some of them is left alone.
    """
    stages = list(stages)
    outs = {path_of(out): out for stage in stages for out in stage.outs if out.is_in_repo}
    found: dict[str, list[str]] = {}
    for stage in stages:
        deps = {path_of(dep): dep for dep in stage.deps if dep.hash_info and dep.is_in_repo and dep not in stage.params}
        for path in deps.keys() - outs.keys():
            near = [out for name, out in outs.items() if within(name, path) or within(path, name)]
            if near and not any(within(file, path) for file in tracked):
                for line in _unlike(deps[path], path, near):
                    found.setdefault(line, []).append(stage.name)
    return found


def _unlike(dep: Any, path: str, outs: Iterable[Any]) -> list[str]:
    """A line if a stage read anything else than was written; it names the files here that no stage wrote."""
    written: dict[str, str] = {}
    for out in outs:
        if (found := listing(out)) is None:
            return []
        written |= {file: digest for file, digest in found.items() if within(file, path)}
    if hash_of_digests(path, written) == dep.hash_info.value:
        return []
    if strange := sorted(paths_in(dep.repo, path).keys() - written.keys()):
        more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
        named = f"{', '.join(strange[:SHOWN])}{more}"
        return [f"{path}: no stage wrote {named}, yet dvc.lock counts all of it as read; remove that, and {AGAIN}"]
    return [f"{path}: dvc.lock records a different version from the one that stages wrote; {AGAIN}"]


def listing(out: Any) -> Listing | None:
    """The files of an output as dvc.lock records it; None if DVC's cache does not have the list.

    Raises:
        StateError: the list in the cache is damaged.
    """
    path, info = path_of(out), out.hash_info
    if not info or not info.isdir:
        return {path: str(info.value)} if info else None
    found = read_list(out.repo.cache.local, info.value, path, CACHE, MEND)
    return None if found is None else {f"{path}/{name}": digest for name, digest in found.items()}


def path_of(part: Any) -> str:
    """The path of an input or output in the repository."""
    return "/".join(part.repo.fs.relparts(part.fs_path, part.repo.root_dir))
