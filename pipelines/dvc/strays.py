"""Files in which DVC and git differ: one that a single person has would be hashed into everybody's dvc.lock."""

from __future__ import annotations

from typing import Any

from pipelines.dvc.content import paths_in
from pipelines.dvc.revision import git


def strays(repo: Any) -> list[str]:
    """A line for each file of a stage's deps that git does not keep, or that DVC leaves out though git keeps it.

    What stages and `dvc add` write is not meant.
    """
    from dvc.dependency import ParamsDependency

    kept = set(filter(None, git("ls-files", "-z").decode().split("\0")))
    written = [out.fs_path for out in repo.index.outs]
    paths = {dep.def_path for stage in repo.index.stages for dep in stage.deps if not isinstance(dep, ParamsDependency)}
    lines = set()
    for path in paths:
        tracked = {file for file in kept if file == path or file.startswith(f"{path}/")}
        place = repo.fs.join(repo.root_dir, *path.split("/"))
        if not tracked and any(within(place, out) or within(out, place) for out in written):
            continue  # an output, a part of one, or a folder of them
        seen = {name: file for name, file in paths_in(repo, path).items() if not any(within(file, o) for o in written)}
        lines |= {
            f"{file}: DVC hashes it and git does not keep it; `git add` it (weights and data: `dvc add`) or remove it"
            for file in seen.keys() - tracked
        }
        lines |= {
            f"{file}: git keeps it and DVC ignores it, so that no change of it is seen; mend .dvcignore or rename it"
            for file in tracked - seen.keys()
            if repo.fs.isfile(repo.fs.join(repo.root_dir, *file.split("/")))
        }
    return sorted(lines)


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(f"{folder}/")
