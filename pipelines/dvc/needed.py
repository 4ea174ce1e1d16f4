"""Which objects of DVC the tips of branches, tags and experiments need, here and on the git remote; and this folder.

Only hashes are read, from the dvc.lock and .dvc files of each, so nothing of a stranger's branch is run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipelines.dvc.lists import Listing, read_list
from pipelines.dvc.lock import LOCK
from pipelines.dvc.revision import git
from pixelproof.core.errors import StateError

KEPT = ("refs/heads", "refs/remotes", "refs/tags", "refs/exps", "refs/stash", "refs/pixelproof")
THEIRS = "refs/pixelproof-gc"  # what the git remote has, for the time of one command


def needed(odb: Any, cache: Any) -> tuple[set[str], int]:
    """The hashes of all objects that are needed, and by how many tips.

    Args:
        odb: where they are to be kept: DVC's cache or its remote.
        cache: DVC's cache, for lists of folders that the remote lacks.

    Raises:
        StateError: a dvc.lock, a .dvc file or the list of a folder cannot be read, or the git remote.
    """
    with _theirs():
        commits = _tips()
        blobs = {blob: f"{commit[:8]}: {path}" for commit in sorted(commits) for blob, path in _records(commit)}
    texts = [(where, git("cat-file", "blob", blob).decode("utf-8", "replace")) for blob, where in blobs.items()]
    texts += [(path.as_posix(), path.read_text(encoding="utf-8")) for path in _on_disk()]
    found = {oid for where, text in texts for oid in hashes_in(where, text)}
    for oid in [oid for oid in found if oid.endswith(".dir")]:
        listing: Listing | None = None
        for store, name in ((odb, "the remote"), (cache, "DVC's cache")):
            listing = listing or read_list(store, oid, oid, name, "`dvc push` or `dvc pull` it again from where it is")
        found |= set((listing or {}).values())
    return found, len(commits)


def hashes_in(where: str, text: str) -> Iterator[str]:
    """The hashes of outputs in a dvc.lock or a .dvc file.

    Args:
        where: for errors.
        text: its content.

    Example:
        >>> list(hashes_in("a.dvc", "outs: [{md5: 0d599f0ec05c3bda8c3b8a68c32a1b47, path: a}]"))
        ['0d599f0ec05c3bda8c3b8a68c32a1b47']
    """
    try:
        content = YAML(typ="safe", pure=True).load(text) or {}
        entries = list(content["stages"].values()) if "stages" in content else [content]
        outs = [out for entry in entries for out in entry.get("outs") or []]
        yield from (str(out["md5"]) for out in outs if out.get("md5"))
        yield from (str(file["md5"]) for out in outs for file in out.get("files") or [] if file.get("md5"))
    except (YAMLError, AttributeError, TypeError, KeyError, RecursionError):
        found = "cannot be read, so what it needs is not known"
        raise StateError(where, found, "mend or remove that branch or file; nothing was removed") from None


def _tips() -> set[str]:
    listed = git("for-each-ref", "--format=%(objectname)", *KEPT, THEIRS).decode().split()
    places = git("worktree", "list", "--porcelain").decode().splitlines()
    listed += [line.removeprefix("HEAD ") for line in places if line.startswith("HEAD ")]
    peeled = git("rev-parse", *(f"{oid}^{{}}" for oid in sorted(set(listed)))).decode().split() if listed else []
    return {oid for oid in peeled if git("cat-file", "-t", oid).strip() == b"commit"}


def _records(commit: str) -> Iterator[tuple[str, str]]:
    for entry in git("ls-tree", "-r", "-z", commit).decode("utf-8", "replace").split("\0"):
        about, _, path = entry.partition("\t")
        if _is_record(Path(path)):
            yield about.split()[2], path


def _on_disk() -> list[Path]:
    listed = git("ls-files", "-z", "-co", "--exclude-standard").decode("utf-8", "replace").split("\0")
    return [Path(path) for path in listed if path and _is_record(Path(path)) and Path(path).is_file()]


def _is_record(path: Path) -> bool:
    return path.name == LOCK or path.suffix == ".dvc"


@contextmanager
def _theirs() -> Iterator[None]:
    """Have all references of the git remote `origin` during the block; a clone without one has none to ask.

    Raises:
        StateError: it cannot be reached, so what its branches need is not known.
    """
    try:
        git("remote", "get-url", "origin")
    except subprocess.CalledProcessError:
        yield
        return
    try:
        git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", f"+refs/*:{THEIRS}/*")
        yield
    except subprocess.CalledProcessError:
        fix = "see that it can be reached: what its branches need is not known; nothing was removed"
        raise StateError("the git remote `origin`", "cannot be read", fix) from None
    finally:
        for reference in git("for-each-ref", "--format=%(refname)", THEIRS).decode().split():
            git("update-ref", "-d", reference)
