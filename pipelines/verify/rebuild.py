"""A clean clone of a commit in a temporary folder: rebuilt from scratch, or restored from what DVC keeps.

The clone sees only the git objects of this one, and only the already downloaded archives of this machine's user.
However the work ends, Ctrl-C included, the folder is removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.dvc.graph import open_repo
from pipelines.dvc.lock import NEVER_RUN, Difference, DvcLock, read_lock
from pipelines.dvc.revision import Revision
from pipelines.processes import Command, Ended, program, run
from pipelines.verify.table import TABLES, classes_of
from pixelproof.core.errors import PixelproofError, StateError
from pixelproof.fetch.obtain import CACHE, MIRROR, cache_folder

NEIGHBOUR = "cache-of-the-clone-beside"
# The user's settings that decide which code, data or repository a tool uses.
NOT_TAKEN_OVER = ("DVC_", "GIT_", "PREFECT_", "PYTHON", "XDG_")
OF_ANOTHER_REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
FAILED = re.compile(r"ERROR: failed to reproduce '(.+?)': (.+)")
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def clean_clone(commit: str) -> Iterator[Clone]:
    """A clone of the commit; it is removed when the block ends, even by a signal."""
    # Under `nohup`, the end of the terminal must not end this.
    endings = [each for each in ENDINGS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, signal.default_int_handler) for each in endings}
    base = Path(tempfile.mkdtemp(prefix="pixelproof-verify-")).resolve()  # as DVC spells it
    try:
        yield Clone(base, commit)
    except OSError as error:
        raise StateError(
            f"the clone of {commit[:10]}", str(error), "TMPDIR can name a folder with more space"
        ) from None
    finally:
        for each in endings:
            signal.signal(each, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it
        shutil.rmtree(base, ignore_errors=True)
        for each, handler in before.items():
            signal.signal(each, handler)


class Clone:
    """A clean clone of a commit, with its own home, temporary folder, DVC cache and DVC state."""

    def __init__(self, base: Path, commit: str) -> None:
        self.commit = commit
        self.folder = base / "clone"
        self._tree = Revision(f"the clean clone of {commit[:10]}", None, self.folder)
        self._dvc_state = base / "dvc"
        self._environment = _own_environment(base)
        _git_clone(commit, self.folder)
        if not (self.folder / "dvc.yaml").is_file() or not (self.folder / ".dvc").is_dir():
            raise StateError(f"revision {commit[:10]}", "no dvc.yaml or no .dvc folder in it", "name a later commit")
        self._configure_dvc(base / "cache")
        with open_repo(self.folder) as repo:
            stages = list(repo.index.stages)
            self.stages = [stage.name for stage in stages if stage.cmd]
            self._sources = [stage.path_in_repo for stage in stages if not stage.cmd]  # what `dvc add` wrote
            self._outputs = {
                stage.name if stage.cmd else stage.path_in_repo: [
                    os.path.relpath(out.fs_path, self.folder) for out in stage.outs if out.use_cache
                ]
                for stage in stages
            }
            self._kept_by_git = [
                out.fs_path for stage in stages if stage.cmd for out in stage.outs if not out.use_cache
            ]
            self._writers = [stage.name for stage in stages if stage.cmd and any(not o.use_cache for o in stage.outs)]
        self._remove_metrics()

    def rebuild(self) -> list[str]:
        """Run every stage from scratch, and return the names of those that ran."""
        self._restore(self._sources)
        return self._repro()

    def restore(self) -> tuple[list[str], dict[str, list[Difference]]]:
        """Restore every output, hash it again, and run only what writes metrics.

        Returns the stages that ran and, by stage, what in the tree does not match dvc.lock.
        """
        recorded = self.lock()
        self._restore([*self._sources, *recorded.stages])
        stale = self._stale()
        return self._repro("--single-item", "--force", *self._writers) if self._writers else [], stale

    def metrics(self) -> dict[str, dict[str, Any]]:
        """`architecture -> {key path: value}` of what was written."""
        return self._tree.metrics()

    def classes(self) -> dict[str, dict[str, Any]]:
        """The same for the table of classes."""
        return classes_of(self._tree)

    def lock(self) -> DvcLock:
        """dvc.lock as the run left it."""
        return read_lock(self._tree).only(self.stages)

    def _remove_metrics(self) -> None:
        """Remove the committed metrics: those that are compared with them must have been written here."""
        for path in (
            *map(Path, self._kept_by_git),
            *(self.folder / "metrics").glob("*.json"),
            *(self.folder / path for path in TABLES),
        ):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _configure_dvc(self, cache: Path) -> None:
        """Give it its own cache and state; to restore from, the cache and the remotes of the original clone."""
        from dvc.config import Config

        with open_repo() as beside:
            remotes = {name: dict(remote) for name, remote in beside.config["remote"].items()}
            default = beside.config["core"].get("remote")
            neighbour = beside.cache.local_cache_dir
        with Config(str(self.folder / ".dvc")).edit("local", validate=False) as config:
            config["cache"] = {"dir": str(cache)}
            config["core"] = {"site_cache_dir": str(self._dvc_state), "analytics": False}
            config["core"] |= {"remote": default} if default else {}
            config["remote"] = remotes | {NEIGHBOUR: {"url": str(neighbour)}}
        self._has_remote = bool(default)

    def _restore(self, targets: list[str]) -> None:
        """Fetch outputs of stages and .dvc files from the cache of the original clone, else from the remote."""
        if not targets:
            return  # DVC would take no target to mean all
        # With the user's credentials: what is fetched is known by its hash.
        user = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "PYTHON"))}
        _tell("restoring from the cache of this clone")
        self._dvc(user, "fetch", "--quiet", "--remote", NEIGHBOUR, *targets)  # what is missing is reported below
        if self._has_remote and self._missing(targets):
            _tell("fetching what that cache lacks from the remote")
            self._dvc(user, "fetch", *targets)
        if missing := self._missing(targets):
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            where = "nor in its remote" if self._has_remote else "and it has no default remote"
            raise StateError(
                f"revision {self.commit[:10]}",
                f"not in this clone's cache {where}: {shown}",
                f"`git checkout {self.commit[:10]} && dvc pull` fetches it if a remote has it; without --cached "
                "`verify` builds it",
            )
        code, lines = self._dvc(user, "checkout", *targets)
        if code:
            raise StateError(f"revision {self.commit[:10]}", f"`dvc checkout`: {_last(lines)}", "see the lines above")

    def _missing(self, targets: list[str]) -> list[str]:
        """The outputs of the targets that are not in the clone's cache."""
        wanted = [path for target in targets for path in self._outputs[target]]
        absent = [path.rstrip("/") for path in self._ask("data", "status").get("not_in_cache", [])]
        return [path for path in absent if any(path == each or path.startswith(f"{each}/") for each in wanted)]

    def _stale(self) -> dict[str, list[Difference]]:
        """By stage, what in the tree does not match dvc.lock. DVC's state is removed, so every byte is hashed again."""
        shutil.rmtree(self._dvc_state, ignore_errors=True)
        never_run = [stage for stage in self.stages if stage not in self.lock().stages]
        stale = {stage: [NEVER_RUN] for stage in never_run}
        for stage, changes in self._ask("status").items():
            if stage in never_run:
                continue
            found = stale.setdefault(stage, [])
            for change in changes:
                if change == "changed command":
                    found.append(Difference("command"))
                elif isinstance(change, dict):
                    found += _changed_inputs(change.get("changed deps", {}))
                    self._refuse_damage(change.get("changed outs", {}))
        return stale

    def _refuse_damage(self, outputs: dict[str, str]) -> None:
        """The metrics that git tracks are judged later, one by one; anything else was just restored by its hash."""
        for path, state in outputs.items():
            if str(self.folder / path) not in self._kept_by_git:
                raise StateError(
                    f"revision {self.commit[:10]}",
                    f"{path} as restored is {state}: its bytes do not match dvc.lock",
                    "remove the damaged file from DVC's cache and `dvc pull`, or `verify` without --cached",
                )

    def _ask(self, *arguments: str) -> dict[str, Any]:
        """The JSON that a DVC command prints."""
        command = [sys.executable, "-m", "dvc", *arguments, "--json"]
        done = subprocess.run(command, cwd=self.folder, env=self._environment, capture_output=True, text=True)
        if done.returncode:
            said = _last(done.stderr.splitlines())
            raise StateError(f"revision {self.commit[:10]}", f"`dvc {' '.join(arguments)}`: {said}", "fix that commit")
        return dict(json.loads(done.stdout or "{}"))

    def _repro(self, *arguments: str) -> list[str]:
        """Run stages, announcing each with its number, and return the names of those that ran."""
        ran: list[str] = []
        began = time.monotonic()
        total = len(self._writers if arguments else self.stages)

        def announce(line: str) -> None:
            found = re.fullmatch(r"Running stage '(.+)':", line)
            if found and found[1] in self.stages:  # a stage may print such a line too
                ran.append(found[1])
                line = f"[{len(ran)}/{total}, {time.monotonic() - began:.0f} s] {found[1]}"
            _tell(line)

        code, lines = self._dvc(self._environment, "repro", *arguments, tell=announce)
        if code:
            stage, said = _failure(lines)
            raise PixelproofError(
                f"{stage} at {self.commit[:10]}: ended with exit code {code} in a clean clone: {said}; "
                "its output is above; fix it, or name a commit that runs"
            )
        return ran

    def _dvc(self, environment: dict[str, str], *arguments: str, tell: Callable[[str], None] | None = None) -> Ended:
        """Run a DVC command, showing its lines as they come."""
        return run(Command(program("dvc", *arguments), self.folder, environment), tell or _tell)


def _failure(lines: list[str]) -> tuple[str, str]:
    """The stage that failed and why. DVC names it; it need not be the last that ran, as its inputs may be missing."""
    found = [match for line in lines if (match := FAILED.match(line))]
    if not found:
        return "`dvc repro`", _last(lines)
    stage, reason = found[-1].groups()
    said = [line for line in lines if not FAILED.match(line)]
    return stage, _last(said) if said and reason.startswith("failed to run") else reason


def _changed_inputs(changed: dict[str, Any]) -> list[Difference]:
    """As `dvc status` reports it: `path -> state`, of params `file -> {key: state}`."""
    return [
        difference
        for path, state in changed.items()
        for difference in (
            [Difference("param", key) for key in state] if isinstance(state, dict) else [Difference("source", path)]
        )
    ]


def _git_clone(commit: str, folder: Path) -> None:
    """Clone with git's objects linked, not copied, if possible; no hook of this machine runs."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_ANOTHER_REPOSITORY}
    git = ["git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false"]
    for command in (
        [*git, "clone", "--quiet", "--no-checkout", "--template=", ".", str(folder)],
        [*git, "-C", str(folder), "checkout", "--quiet", "--detach", commit],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            said = _last(done.stderr.splitlines())
            raise StateError(f"revision {commit[:10]}", f"cannot be cloned: {said}", "repair the repository")


def _own_environment(base: Path) -> dict[str, str]:
    """The user's environment with its own folders. Downloaded archives are shared, as each is verified."""
    taken = {name: value for name, value in os.environ.items() if not name.startswith(NOT_TAKEN_OVER)}
    folders = {
        "HOME": base / "home",
        "TMPDIR": base / "tmp",
        "DVC_SITE_CACHE_DIR": base / "dvc",
        "DVC_GLOBAL_CONFIG_DIR": base / "home/dvc",
        "DVC_SYSTEM_CONFIG_DIR": base / "home/dvc-system",
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    mirror = taken.get(MIRROR, "")
    if mirror and "://" not in mirror:
        taken[MIRROR] = str(Path(mirror).expanduser().absolute())
    return taken | {
        **{name: str(folder) for name, folder in folders.items()},
        "LC_ALL": "C.UTF-8",
        CACHE: str(cache_folder(os.environ).absolute()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PIXELPROOF_PYTHON": sys.executable,
    }


def _last(lines: list[str]) -> str:
    """The last line that is not empty."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
