"""Reads what git tracks (metrics, params, dvc.lock) at a revision or in the working tree, without checking it out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pixelproof.core.errors import StateError

VERSIONS = ("pixelproof/core/versions.json", "stages/versions.json")  # here, and in revisions before the move
WORKSPACE = "workspace"


class Revision:
    """The git-tracked files of one commit, or of the working tree (of `folder`) if `commit` is None."""

    def __init__(self, name: str, commit: str | None, folder: Path = Path()) -> None:
        self.name = name
        self.commit = commit
        self.folder = folder

    def read(self, path: str) -> str | None:
        """The text of a file, None if the revision has no such file."""
        try:
            if self.commit is None:
                return (self.folder / path).read_bytes().decode()
            return self._git("cat-file", "blob", f"{self.commit}:{path}")
        except (FileNotFoundError, subprocess.CalledProcessError):
            return None
        except UnicodeDecodeError:
            raise StateError(f"{self.name}: {path}", "not UTF-8 text", "write it again with `dvc repro`") from None

    def metrics(self) -> dict[str, dict[str, Any]]:
        """`architecture -> {key path: value}` of metrics/*.json."""
        if self.commit is None:
            paths = sorted(f"metrics/{path.name}" for path in (self.folder / "metrics").glob("*.json"))
        else:
            listed = self._git("ls-tree", "-z", "--name-only", self.commit, "metrics/").split("\0")
            paths = sorted(path for path in listed if path.endswith(".json"))
        return {Path(path).stem: flatten(self._parsed(path, json.loads)) for path in paths}

    def files(self, folder: str) -> dict[str, str]:
        """`path -> hash of its blob` for the files that git tracks below a folder (or for that one file)."""
        if self.commit is None:
            listed = self._git("ls-files", "-z", "-co", "--exclude-standard", "--", f":(literal){folder}")
            paths = sorted(path for path in set(listed.split("\0")) if path and (self.folder / path).is_file())
            names = self._git("hash-object", "--no-filters", "--", *paths).split() if paths else []
            return dict(zip(paths, names, strict=True))
        listed = self._git("ls-tree", "-r", "-z", self.commit, "--", f":(literal){folder}")
        entries = [entry.split("\t", 1) for entry in listed.split("\0") if entry]
        return {path: about.split()[2] for about, path in entries}

    def names(self) -> list[str]:
        """The paths of all files that git tracks."""
        listed = ("ls-files", "-z") if self.commit is None else ("ls-tree", "-r", "-z", "--name-only", self.commit)
        return [path for path in self._git(*listed).split("\0") if path]

    def mapping(self, path: str) -> dict[str, Any] | None:
        """A YAML file whose top level is a mapping; None if the revision has no such file."""
        return None if self.read(path) is None else self._parsed(path, YAML(typ="safe", pure=True).load)

    def versions(self) -> dict[str, str]:
        """The versions that the revision states for the packages that decide its numbers."""
        stated = next((found for path in VERSIONS if (found := self.mapping(path)) is not None), {})
        return {str(name).lower(): str(version) for name, version in stated.items()}

    def _git(self, *arguments: str) -> str:
        return git("-C", str(self.folder), *arguments).decode()

    def _parsed(self, path: str, parse: Any) -> dict[str, Any]:
        try:
            content = parse(self.read(path) or "")
            json.dumps(content, default=str)  # a tree of plain values, neither circular nor endlessly deep
        except (ValueError, TypeError, RecursionError, YAMLError) as error:
            raise StateError(f"{self.name}: {path}", f"cannot be read ({error})", "fix that file") from None
        if not isinstance(content, dict):
            raise StateError(f"{self.name}: {path}", "not a mapping at the top level", "fix that file")
        return content


def open_revision(name: str) -> Revision:
    """A revision by any name git knows, or `workspace` for the working tree."""
    if name == WORKSPACE:
        return Revision(name, None)
    try:
        commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except subprocess.CalledProcessError:
        raise StateError(
            f"revision {name!r}", "git knows no such commit here", f"name a branch, tag or commit, or {WORKSPACE!r}"
        ) from None
    return Revision(name, commit)


def merge_base(head: Revision) -> str:
    """Where the head (for the workspace: HEAD) branched off main, the remote's if there is one, else this clone's."""
    for branch in ("refs/remotes/origin/main", "refs/heads/main"):
        try:
            return git("merge-base", branch, head.commit or "HEAD").decode().strip()
        except subprocess.CalledProcessError:
            continue
    raise StateError(
        "base", "no branch main here that HEAD branched off", "name a branch, tag or commit to compare with"
    )


def changed_files(*paths: str) -> list[str]:
    """The files under some paths (git's wildcards allowed) that differ from HEAD, new ones included."""
    command = ("--no-optional-locks", "status", "--porcelain", "-z", "--no-renames")  # leaves the index untouched
    listed = git(*command, "--", *paths).decode().split("\0")
    return [entry[3:] for entry in listed if entry]


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`; lists are values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        flat |= flatten(value, f"{path}.") if isinstance(value, dict) and value else {path: value}
    return flat


def git(*arguments: str, env: Mapping[str, str] | None = None) -> bytes:
    """What a git command prints; `env` is added to its environment."""
    try:
        environment = os.environ | dict(env or {})
        return subprocess.run(["git", *arguments], check=True, capture_output=True, env=environment).stdout
    except FileNotFoundError:
        raise StateError("git", "not installed", "install git and run again") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace")
        if "safe.directory" not in said:
            raise
        remedy = next(line.strip() for line in said.splitlines() if "safe.directory" in line)
        raise StateError("git", "a clone that belongs to another user", f"`{remedy}` if you trust it") from None
