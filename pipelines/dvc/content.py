"""What DVC sees in a file or folder that git tracks: in the working tree, or in the commit it is switched to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

Files = Mapping[str, bytes]  # path in the repository -> content


def paths_in(repo: Any, path: str) -> dict[str, str]:
    """`path in the repository -> path for DVC's file system` of the files of a folder, or of that one file."""
    fs, place = repo.fs, repo.fs.join(repo.root_dir, *path.split("/"))
    if fs.isdir(place):
        return {"/".join((path, *fs.relparts(file, place))): file for file in repo.dvcignore.find(fs, place)}
    return {path: place} if fs.isfile(place) else {}


def files_in(repo: Any, path: str) -> dict[str, bytes]:
    """The contents of a folder's files, or of that one file; empty if there is neither."""
    return {name: repo.fs.cat_file(file) for name, file in paths_in(repo, path).items()}


def hash_of(path: str, files: Files) -> str:
    """The hash that DVC records for a folder with these files, or for that one file."""
    return hash_of_digests(path, {name: hashlib.md5(c, usedforsecurity=False).hexdigest() for name, c in files.items()})


def hash_of_digests(path: str, digests: Mapping[str, str]) -> str:
    """The same where the files are known by their MD5 alone."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    if path in digests:
        return digests[path]
    tree: Any = Tree()  # type: ignore[no-untyped-call]
    for name, digest in digests.items():
        tree.add(tuple(name.removeprefix(f"{path}/").split("/")), None, HashInfo("md5", digest))
    tree.digest()
    return str(tree.hash_info.value)
