"""Finds files that DVC hashes and git does not track, or the reverse: dvc.lock would differ from person to person."""

from __future__ import annotations

from typing import Any

from pipelines.dvc.content import paths_in
from pipelines.dvc.revision import git

LINK = "120000"  # git's mode of a symbolic link


def strays(repo: Any) -> list[str]:
    """A line for each file of a stage's deps that is a link, or that only one of git and DVC sees.

    What stages and `dvc add` write does not count.
    """
    from dvc.dependency import ParamsDependency

    entries = [entry.partition("\t") for entry in git("ls-files", "-z", "--stage").decode().split("\0") if entry]
    kept = {path for _, _, path in entries}
    links = {path for about, _, path in entries if about.startswith(LINK)}
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
            f"{file}: DVC hashes it but git does not track it; `git add` it (weights and data: `dvc add`) or remove it"
            for file in seen.keys() - tracked
        }
        lines |= {
            f"{file}: a link: git keeps where it points to, DVC hashes what stands there; put the file itself here"
            for file in tracked & links
        }
        lines |= {
            f"{file}: git tracks it but DVC ignores it, so changes go unnoticed; fix .dvcignore or rename it"
            for file in tracked - seen.keys()
            if repo.fs.isfile(repo.fs.join(repo.root_dir, *file.split("/")))
        }
    return sorted(lines)


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(f"{folder}/")
