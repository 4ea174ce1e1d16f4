"""The points that are done: each is a DVC experiment, a commit under refs/exps that `dvc exp show` lists.

A point is done if and only if its ref exists: git creates it in one step, once, after all of the point's stages. The
commit holds what `dvc exp run` would have put there, dvc.lock and the metrics among them; its message says which
settings the point has and how long it took.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from pipelines.compare.worktree import AUTHOR
from pipelines.dvc.revision import git
from pipelines.sweeps.spec import Point, Sweep
from pixelproof.core.errors import StateError

SWEEP, OVERRIDES, SECONDS = "Sweep: ", "Overrides: ", "Seconds: "


@dataclass(frozen=True)
class Record:
    """A point that is done."""

    commit: str
    seconds: float  # of all that was tried, work that was killed included


@dataclass(frozen=True)
class Experiment:
    """A commit that is called like a point, whatever its settings."""

    commit: str
    message: str


def experiment(sweep: Sweep, point: Point) -> str:
    """The point's name among DVC's experiments."""
    return f"{sweep.name}-{point.name}"


def recorded(sweep: Sweep, head: str) -> dict[str, Record]:
    """The sweep's points that are done on a commit, by name.

    Raises:
        StateError: an experiment of such a name has other settings.
    """
    return {name: record_of(sweep, sweep.point(name), found) for name, found in named(sweep, head).items()}


def named(sweep: Sweep, head: str) -> dict[str, Experiment]:
    """The experiments of a commit that are called like points of the sweep, by the point's name."""
    names = {experiment(sweep, point): point.name for point in sweep.points}
    found = {}
    form = "%(refname)%00%(objectname)%00%(contents)%00%00"
    for entry in git("for-each-ref", f"--format={form}", _folder(head)).decode().split("\0\0"):
        if not entry.strip():
            continue
        ref, commit, message = entry.strip("\n").split("\0")
        if (name := names.get(ref.rsplit("/", 1)[-1])) is not None:
            found[name] = Experiment(commit, message)
    return found


def record_of(sweep: Sweep, point: Point, found: Experiment) -> Record:
    """What an experiment that is called like a point says of it.

    Raises:
        StateError: it has other settings.
    """
    stated = _trailer(found.message, SWEEP), _trailer(found.message, OVERRIDES)
    if stated != (sweep.name, _exact(point.overrides)):
        name = experiment(sweep, point)
        fix = f"rename the point, or `dvc exp remove {name}`"
        raise StateError(f"experiment {name}", "of this commit, but of another sweep or other settings", fix)
    return Record(found.commit, float(_trailer(found.message, SECONDS) or 0))


def save(tree: Path, index: Path, sweep: Sweep, point: Point, head: str, seconds: float) -> str:
    """Make what stands in a worktree the experiment of a point; returns its commit.

    Args:
        tree: the worktree in which the point ran.
        index: a file for git to work with; a killed git leaves that of the worktree locked.
        sweep: of which the point is.
        point: what ran.
        head: the commit that it started from.
        seconds: how long it took.

    Raises:
        StateError: there is such an experiment already, or git cannot make one.
    """
    name = experiment(sweep, point)
    try:
        files, message = _files(tree, index, head), _message(sweep, point, seconds)
        commit = git("commit-tree", files, "-p", head, "-m", message, env=AUTHOR).decode().strip()
        git("update-ref", f"{_folder(head)}{name}", commit, "")  # "": refused where it exists
    except CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split())
        fix = f"if one was made meanwhile, rename the point or `dvc exp remove {name}`; then run the sweep again"
        raise StateError(f"experiment {name}", f"git did not make it ({said})", fix) from None
    return commit


def _files(tree: Path, index: Path, head: str) -> str:
    """What stands in a worktree, as git keeps it."""
    index.unlink(missing_ok=True)
    index.with_name(f"{index.name}.lock").unlink(missing_ok=True)
    own, there = {"GIT_INDEX_FILE": str(index.absolute())}, ("-C", str(tree))
    git(*there, "read-tree", head, env=own)
    git(*there, "add", "--all", env=own)
    files = git(*there, "write-tree", env=own).decode().strip()
    index.unlink()
    return files


def _message(sweep: Sweep, point: Point, seconds: float) -> str:
    settings = "\n".join(f"-S {key}={value}" for key, value in point.overrides.items())
    trailers = f"{SWEEP}{sweep.name}\n{OVERRIDES}{_exact(point.overrides)}\n{SECONDS}{seconds:.1f}"
    return f"{experiment(sweep, point)}\n\n{settings}\n\n{trailers}"


def _folder(head: str) -> str:
    """Where DVC keeps the experiments of a commit."""
    return f"refs/exps/{head[:2]}/{head[2:]}/"


def _trailer(message: str, name: str) -> str | None:
    """The last line of a message that begins so, without its beginning."""
    return next((line[len(name) :] for line in reversed(message.splitlines()) if line.startswith(name)), None)


def _exact(overrides: dict[str, Any]) -> str:
    return json.dumps(overrides, sort_keys=True, default=str)
