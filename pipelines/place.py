"""Where a point of a sweep, or a stage for another machine, is at work: a git worktree with DVC's cache of the clone.

It stays until the work is done, so that a run that was killed goes on from DVC's last finished stage, and a training
from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import psutil

from pipelines.dvc.graph import open_repo
from pipelines.dvc.lock import LOCK
from pipelines.dvc.revision import Revision, git
from pixelproof.core.errors import PixelproofError
from pixelproof.core.files import write_text

SECONDS_TO_DIE = 30
MARK = "PIXELPROOF_PLACE"  # in the environment of what is at work in one: its folder
# In the environment, and of the clone rather than of the worktree.
NOT_THE_TREES = ("PYTHONPATH", "VIRTUAL_ENV", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "DVC_ROOT", "DVC_STAGE")


@dataclass(frozen=True)
class Place:
    """The folder of one piece of work. `tree` is its worktree; the other files are about it."""

    folder: Path

    @property
    def tree(self) -> Path:
        """The worktree."""
        return self.folder / "tree"

    @property
    def log(self) -> Path:
        """What DVC and the stages said."""
        return self.folder / "log"

    @property
    def index(self) -> Path:
        """For git, while a point is recorded."""
        return self.folder / "index"

    @property
    def spent(self) -> Path:
        """The seconds of each attempt, a line each."""
        return self.folder / "spent"

    @property
    def ready(self) -> Path:
        """Says of what commit and settings the worktree is; without it, it is not complete."""
        return self.folder / "ready"

    def seconds(self) -> float:
        """How long all attempts took together."""
        return sum(map(float, self.spent.read_text().split())) if self.spent.is_file() else 0.0


def dvc_settings(repo: Any) -> dict[str, dict[str, Any]]:
    """What a worktree takes over of the clone's DVC: its cache, and its remotes."""
    core = repo.config["core"]
    return {
        "cache": {key: value for key, value in repo.config["cache"].items() if isinstance(value, (str, bool, int))}
        | {"dir": str(repo.cache.local_cache_dir)},
        "remote": {name: dict(remote) for name, remote in repo.config["remote"].items()},
        "core": {key: core[key] for key in ("remote", "hardlink_lock", "checksum_jobs") if core.get(key)},
    }


def own_settings(repo: Any) -> dict[str, dict[str, Any]]:
    """What a worktree of another commit takes over: the cache, and what is set for this clone alone, such as keys.

    Which remote there is, its commit says.
    """
    own = repo.config.load_one("local")
    core = {key: value for key, value in own["core"].items() if key != "site_cache_dir"}
    remotes = {name: dict(remote) for name, remote in own["remote"].items()}
    return {"cache": dvc_settings(repo)["cache"], "remote": remotes, "core": core}


def prepare(place: Place, head: str, params: str, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the worktree, or bring that of a killed run into a state in which DVC goes on.

    Args:
        place: where.
        head: the commit.
        params: the content of params.yaml.
        settings: what `dvc_settings` says of the clone.
    """
    key = hashlib.sha256(f"{head}\n{params}".encode()).hexdigest()
    if place.ready.is_file() and place.ready.read_text() == key and (place.tree / ".git").is_file():
        _mend(place.tree, head, params)
        return
    remove(place)
    place.folder.mkdir(parents=True, exist_ok=True)
    # Hooks would run here too, and one of DVC's checks data out.
    quiet = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")
    git(*quiet, "worktree", "add", "--force", "--quiet", "--detach", str(place.tree), head)
    write_text(place.tree / "params.yaml", params)
    _configure(place, settings)
    write_text(place.ready, key)


def _configure(place: Place, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Give its DVC the clone's cache, and a state of its own that goes with it."""
    from dvc.config import Config

    with Config(str((place.tree / ".dvc").absolute())).edit("local", validate=False) as config:
        for section, values in settings.items():
            config[section] = dict(values)
        config["core"] |= {"site_cache_dir": str((place.folder / "state").absolute()), "analytics": False}


def _mend(tree: Path, head: str, params: str) -> None:
    """Undo what a kill may have left: DVC's list of who writes what, a params.yaml or a dvc.lock that is cut off."""
    shutil.rmtree(tree / ".dvc/tmp", ignore_errors=True)  # nobody is at work here: `end_left` has seen to that
    write_text(tree / "params.yaml", params)
    try:
        with open_repo(tree) as repo:
            list(repo.index.stages)
    except PixelproofError:  # what has run comes back from DVC's run cache
        write_text(tree / LOCK, Revision("HEAD", head, tree).read(LOCK) or "")


def remove(place: Place) -> None:
    """Remove a place and its worktree, whatever state it is in."""
    if not place.folder.exists():
        return
    place.ready.unlink(missing_ok=True)  # first: half a worktree must not look like one
    if place.tree.exists():
        with suppress(CalledProcessError):  # of one that was never complete
            git("worktree", "remove", "--force", "--force", str(place.tree))
    _writable(place.folder)
    shutil.rmtree(place.folder)


def _writable(folder: Path) -> None:
    """Let the folders in it be emptied; DVC's links into its cache are read-only files, which is no hindrance."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)


def end_left(folder: Path, patience: float = SECONDS_TO_DIE) -> None:
    """End the processes that a killed sweep left at work in a place, or in all of a folder; each bears its mark.

    Args:
        folder: a place, or what holds places.
        patience: how many seconds they have to end by themselves, once DVC has recorded what it was at.
    """
    root, left = str(folder.absolute()), []
    for process in psutil.process_iter():
        try:
            at = process.environ().get(MARK, "")
        except (psutil.Error, OSError):  # it has just ended, or is another user's
            continue
        if f"{at}/".startswith(f"{root}/"):
            left.append(process)
    _, stuck = psutil.wait_procs(left, patience)
    for process in stuck:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stuck, SECONDS_TO_DIE)
