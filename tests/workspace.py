"""A separate clone for a test: the files of the working tree in a new git repository, with its own home folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from dvc.repo import Repo

from tests.forked import forked_python

ROOT = Path(__file__).parent.parent
OPENED = "opened"  # the folder of an audited run's logs
WRITTEN = ("data", "models", "results", "reports", "metrics", "tables")


@dataclass(frozen=True)
class Workspace:
    """A clone in `folder`, with its own HOME, temporary folder and DVC folders."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def dvc(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run DVC as the Makefile does; returns what it printed."""
        return self.run("bin/python", "-m", "dvc", *arguments, env=env)

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command in the clone, which must succeed; returns what it printed."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{command} ended with {result.returncode}:\n{result.stdout[-4000:]}"
        return result.stdout

    def at(self, folder: Path) -> Workspace:
        """A copy in another folder, with its data and DVC's cache."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return replace(self, folder=folder)

    def forked(self) -> Workspace:
        """The same, but that every process of Python in it begins where imports have ended (forked.py)."""
        return replace(self, env=self.env | forked_python(Path(self.env["HOME"])))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that occurs exactly once in a file."""
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        (self.folder / path).write_text(text.replace(old, new))

    def set_params(self, **changes: Any) -> None:
        """Change settings in params.yaml by their key paths, which must exist: otherwise the test has a mistake."""
        path = self.folder / "params.yaml"
        values = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            *above, last = key.split("__")
            section = values
            for name in above:
                section = section[name]
            assert last in section, f"params.yaml has no {key}"
            section[last] = value
        path.write_text(yaml.safe_dump(values, sort_keys=False))

    def digests(self, *patterns: str) -> dict[str, str]:
        """`path -> SHA-256` of the files that match."""
        files = sorted(path for pattern in patterns for path in self.folder.glob(pattern) if path.is_file())
        return {f.relative_to(self.folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def make_workspace(base: Path) -> Workspace:
    """Copy the files of the working tree that git does not ignore into a clone in `base`, and commit them there."""
    folder = base / "a clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # skips deleted files whose deletion is not committed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    workspace = Workspace(folder, environment(base))
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
    workspace.run(*git, "init", "-q", "-b", "main")
    workspace.run(*git, "add", "-A", ".")
    workspace.run(*git, "commit", "-q", "-m", "The tree under test")
    return workspace


def environment(base: Path) -> dict[str, str]:
    """Only PATH is inherited: every folder in which a tool might keep something between runs is the clone's own."""
    folders = {"HOME": base / "home", "TMPDIR": base / "tmp", "DVC_SITE_CACHE_DIR": base / "dvc"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **{name: str(folder) for name, folder in folders.items()}}


def executed(output: str) -> list[str]:
    """The stages that `dvc repro` ran, in order."""
    return re.findall(r"^Running stage '(.+)':$", output, flags=re.MULTILINE)


def stages_of(folder: Path) -> dict[str, Any]:
    """`name -> stage` of dvc.yaml, as DVC sees it, with matrix stages expanded."""
    with Repo(str(folder)) as repo:
        return {stage.name: stage for stage in repo.index.stages if stage.cmd}


@dataclass(frozen=True)
class Run:
    """A workspace after its first `dvc repro`: what that printed, and the digests of what it wrote."""

    workspace: Workspace
    output: str
    written: dict[str, str]


def tiny_run(workspace: Workspace, env: Mapping[str, str] | None = None) -> Run:
    """A workspace with params that make everything as small as possible, reproduced from scratch."""
    workspace.set_params(
        architectures=["unet", "panoptic-deeplab-r18"],
        download__synthetic__train_flights=3,
        download__synthetic__val_flights=2,
        download__synthetic__test_flights=2,
        download__synthetic__images_per_flight=2,
        download__synthetic__side=64,
        prepare__shape__width=64,
        prepare__shape__height=64,
        train__iterations=4,
        train__batch=2,
        train__val_interval=2,
        train__checkpoint_interval=2,
    )
    output = workspace.dvc("repro", env=env)
    written = workspace.digests("dvc.lock", *(f"{folder}/**/*" for folder in WRITTEN))
    return Run(workspace, output, written)


def auditing(logs: Path) -> dict[str, str]:
    """The environment of an audited run, which logs in one file per stage.

    No bytecode is written, so that every import opens the source file.
    """
    logs.mkdir(exist_ok=True)
    hook = Path(__file__).parent / "audit"
    return {"PYTHONPATH": str(hook), "PIXELPROOF_AUDIT": str(logs), "PYTHONDONTWRITEBYTECODE": "1"}
