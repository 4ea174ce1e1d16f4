"""Which files a folder holds, and which it held when DVC recorded its hash, so that changed files can be named."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from subprocess import CalledProcessError
from typing import Any

from pipelines.dvc.content import files_in, hash_of
from pipelines.dvc.lock import LOCK, touches
from pipelines.dvc.revision import git

Listing = Mapping[str, str]  # path in the repository -> MD5; a single file lists itself
COMMITS = 8  # that may hold the code of the last run; reading more takes seconds


def path_of(part: Any) -> str:
    """The path within the repository of an input or output; if it is outside, its name in dvc.yaml."""
    repo = part.repo
    return str(part.fs_path).removeprefix(f"{repo.root_dir}/") if part.is_in_repo else str(part)


def present(repo: Any, path: str) -> Listing:
    """The files of the working tree that DVC sees at a path; none where there is nothing."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.tree import Tree

    place = repo.fs.join(repo.root_dir, *path.split("/"))
    if not repo.fs.exists(place):
        return {}
    _, _, found = build(repo.cache.local, place, repo.fs, "md5", dry_run=True, ignore=repo.dvcignore)
    return _listed(path, found) if isinstance(found, Tree) else {path: str(found.hash_info.value)}


def kept(repo: Any, path: str, hash_info: Any) -> Listing | None:
    """The files of an output with this hash, according to DVC's cache; None if it is not there."""
    from dvc_data.hashfile.tree import Tree
    from dvc_objects.errors import ObjectFormatError

    if not hash_info.isdir:
        return {path: str(hash_info.value)}
    try:
        return _listed(path, Tree.load(repo.cache.local, hash_info))
    except (FileNotFoundError, ObjectFormatError):
        return None


def _listed(path: str, tree: Any) -> Listing:
    return {"/".join((path, *key)): str(info.value) for key, _, info in tree}


class Recorded:
    """What folders held at the last runs: data is looked up in DVC's cache, code in a few of git's commits."""

    def __init__(self, repo: Any) -> None:
        self.repo = repo
        self.at = cache(self._at)

    def listing(self, path: str, hash_info: Any) -> Listing | None:
        """The files at a path when it had this hash; None if that is no longer known."""
        found = kept(self.repo, path, hash_info)
        return self.at(path, str(hash_info.value)) if found is None else found

    def _at(self, path: str, value: str) -> Listing | None:
        for commit in candidates(path, value):
            with self.repo.switch(commit):
                files = files_in(self.repo, path)
            if hash_of(path, files) == value:
                return {name: hash_of(name, {name: content}) for name, content in files.items()}
        return None


def candidates(path: str, value: str) -> list[str]:
    """Commits that may hold what had this hash: HEAD, those that wrote it into dvc.lock, the latest of the path."""
    latest = ("log", f"-{COMMITS // 2}", "--format=%H")
    try:
        locked = git(*latest, f"-S{value}", "--", LOCK).decode().split()
        changed = git(*latest, "--", f":(literal){path}").decode().split()
        return list(dict.fromkeys([*git("rev-parse", "HEAD").decode().split(), *locked, *changed]))
    except CalledProcessError:  # nothing is committed yet
        return []


def changes(before: Listing, after: Listing) -> list[str]:
    """`a.py`, `b.py (new)`, `c.py (deleted)`: the files in which two listings differ, sorted."""
    lines = []
    for path in sorted(before.keys() | after.keys()):
        if path not in before:
            lines.append(f"{path} (new)")
        elif path not in after:
            lines.append(f"{path} (deleted)")
        elif before[path] != after[path]:
            lines.append(path)
    return lines


def within(listing: Listing, path: str) -> Listing:
    """The part of a listing at or below a path."""
    return {name: digest for name, digest in listing.items() if name == path or name.startswith(f"{path}/")}


def without(listing: Listing, paths: list[str]) -> Listing:
    """A listing without what lies at or below some paths."""
    return {name: digest for name, digest in listing.items() if not any(touches(name, [path]) for path in paths)}
