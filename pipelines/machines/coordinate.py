"""Decides for one run on many machines what must run, from recorded hashes, and alone writes dvc.lock.

No data need be here. A stage whose inputs are those that dvc.lock records, and whose outputs are on DVC's remote, is up
to date. For others a result under the key of their inputs is looked for there, left by a run that was killed or that
nobody waited for; only what is nowhere is sent to a machine.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.compare.store import Store, in_public
from pipelines.dvc.committed import check_committed
from pipelines.dvc.graph import read_graph
from pipelines.dvc.lock import Record, parse_lock
from pipelines.dvc.revision import changed_files, git, open_revision
from pipelines.dvc.rwlock import alone
from pipelines.machines.entries import put_entries, read_entries
from pipelines.machines.inputs import Inputs, Known, inputs_of
from pipelines.machines.job import Job, Result, inside
from pipelines.machines.perform import REFS
from pipelines.machines.shelf import Shelf
from pipelines.processes import Outcome
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_bytes

SECONDS_FOR_LOCK = 60  # as long as a command of DVC that reads may take
PAUSE = 0.5
WHY = "other machines run a commit"

Tell = Callable[[str], None]
Send = Callable[[Job, Tell], None]  # returns when a machine has done it


@dataclass
class Coordinator:
    """A run of the graph on many machines.

    Args:
        repo: DVC's repository, of this folder.
        send: has a job done by another machine.
        commit: what is run.
    """

    repo: Any
    send: Send
    commit: str
    known: Known
    hashes: dict[str, str]  # of `known`
    needs: dict[str, tuple[str, ...]]
    entries: dict[str, Any] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()  # outputs that are not on the remote
    pushed: bool = False  # the commit, for this run alone
    lock: Any = field(default_factory=threading.Lock)  # DVC's objects are for one thread at a time

    def repro(self, name: str, tell: Tell) -> Outcome:
        """Bring a stage up to date whose needs are; as `StageProcesses.repro`, on another machine.

        Raises:
            StateError: what it needs is not to be had, or what came back is not of these inputs.
        """
        with self.lock:
            stage = next(one for one in self.repo.index.stages if one.addressing == name)
            if stage.is_data_source:
                return Outcome.SKIPPED
            inputs = inputs_of(stage, self.known)
            if self._up_to_date(stage, inputs):
                self._note(self.entries[name])
                return Outcome.SKIPPED
            entries = {need: self.entries[need] for need in self.needs[name] if need in self.entries}
            shelf = Shelf(self.repo.cloud.get_remote(), inputs.key)
            kept = shelf.result()
        if kept is None:
            self.send(Job(self.commit, name, inputs.key, inputs.deps, entries, inputs.computes), tell)
        with self.lock:
            found = kept or shelf.result()
            if found is None:
                raise StateError(name, "a machine said that it is done, and the remote has no result", "run again")
            self._accept(name, inputs, found)
        return Outcome.RAN if kept is None else Outcome.RESTORED

    def close(self) -> None:
        """Leave nothing behind on the git remote."""
        if self.pushed:
            withdraw(self.commit)

    def _up_to_date(self, stage: Any, inputs: Inputs) -> bool:
        """Whether dvc.lock records a run from the same inputs, and what it wrote is to be had."""
        name = stage.addressing
        if name not in self.entries or stage.always_changed:
            return False
        record = record_of(name, self.entries[name])
        if not (inputs.same_as(record) or stage.frozen) or not self.lost.isdisjoint(record.outs):
            return False
        return not any(out.status() for out in stage.outs if not out.use_cache)

    def _accept(self, name: str, inputs: Inputs, result: Result) -> None:
        """Record a result as DVC would have."""
        if not inputs.same_as(record_of(name, result.entry)):
            raise StateError(name, "its result is of other inputs", "see that the workers have this commit's packages")
        stage = next(one for one in self.repo.index.stages if one.addressing == name)
        for out in stage.outs:
            if not out.use_cache:
                put_files(out.def_path, result.files)
        deadline = time.monotonic() + SECONDS_FOR_LOCK
        while True:
            try:
                with alone(self.repo):
                    put_entries(Path(self.repo.root_dir), {name: result.entry})
                break
            except StateError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE)
        self._note(result.entry)
        self.entries[name] = result.entry

    def _note(self, entry: dict[str, Any]) -> None:
        self.hashes |= {out["path"]: out["md5"] for out in entry.get("outs", []) if out.get("md5")}


def coordinator(repo: Any, targets: Sequence[str], send: Send) -> Coordinator:
    """Make ready: publish the commit, and push what machines will need and only this clone has.

    Args:
        repo: DVC's repository, of this folder.
        targets: as of `read_graph`.
        send: has a job done by another machine.

    Raises:
        StateError: files are not committed, or the remotes cannot be reached.
    """
    check_committed(repo, WHY)
    if changed_files(".dvc/config"):  # the workers' remote is that of the commit
        raise StateError(".dvc/config", "not as in HEAD", f"commit that first, or `git stash`: {WHY}")
    if not repo.config["core"].get("remote"):
        fix = "`dvc remote add --default NAME URL`, and commit .dvc/config"
        raise StateError(".dvc/config", "no default remote, through which machines share data", fix)
    commit, pushed = published()
    graph = read_graph(repo, targets)
    hashes = {_path(repo, out): str(out.hash_info.value) for out in repo.index.outs if out.stage.is_data_source}
    uncached = frozenset(out.def_path for out in repo.index.outs if not out.use_cache)
    known = Known(hashes, uncached, Store(repo), open_revision("HEAD"))
    entries = read_entries(Path(repo.root_dir))
    wanted = dict(hashes)
    for name in graph.order:
        wanted |= {out["path"]: out["md5"] for out in entries.get(name, {}).get("outs", []) if out.get("md5")}
    lost = shared(repo, {path: oid for path, oid in wanted.items() if path not in uncached})
    if gone := sorted(lost & hashes.keys()):
        raise StateError(gone[0], "neither here nor on the remote", "`dvc push` it from where it is")
    return Coordinator(repo, send, commit, known, hashes, graph.needs, entries, frozenset(lost), pushed)


def _path(repo: Any, out: Any) -> str:
    return Path(out.fs_path).relative_to(repo.root_dir).as_posix()


def published() -> tuple[str, bool]:
    """The commit of this folder, and whether it had to be pushed to the git remote, where the workers find it.

    Raises:
        StateError: it cannot be pushed there.
    """
    commit = git("rev-parse", "--verify", "HEAD").decode().strip()
    try:
        git("remote", "get-url", "origin")
    except subprocess.CalledProcessError:
        fix = "`git remote add origin URL`: machines fetch the commit from there"
        raise StateError("git", "no remote `origin`", fix) from None
    if not git("branch", "--remotes", "--contains", commit).strip():
        try:
            git("push", "--quiet", "--no-verify", "origin", f"{commit}:{REFS}/{commit}")
        except subprocess.CalledProcessError as error:
            said = in_public(Exception(error.stderr.decode(errors="replace")))
            raise StateError("git", f"cannot push the commit to `origin`: {said}", f"push it yourself: {WHY}") from None
        return commit, True
    return commit, False


def withdraw(commit: str) -> None:
    """Remove what was pushed for a run that has ended; a branch that has the commit by now keeps it."""
    with contextlib.suppress(subprocess.CalledProcessError):  # another run of it may have done so
        git("push", "--quiet", "--no-verify", "origin", f":{REFS}/{commit}")


def shared(repo: Any, wanted: dict[str, str]) -> set[str]:
    """See that the remote has these outputs, and push those of them that only this clone has.

    Returns:
        The paths of those that neither has.
    """
    try:
        remote, cache = repo.cloud.get_remote_odb(), repo.cache.local
        there = set(remote.oids_exist(list(set(wanted.values()))))
        lacking = {path: oid for path, oid in wanted.items() if oid not in there}
        here = sorted(path for path, oid in lacking.items() if cache.exists(oid))
        if here:
            repo.push(targets=[str(Path(repo.root_dir, path)) for path in here])
    except Exception as error:  # each kind of remote has errors of its own
        found = f"cannot be read or written: {in_public(error)}"
        raise StateError("the remote of DVC", found, "see `dvc status --cloud`") from error
    return lacking.keys() - set(here)


def record_of(name: str, entry: dict[str, Any]) -> Record:
    """An entry of dvc.lock, read."""
    return parse_lock({"stages": {name: entry}}, name).stages[name]


def put_files(out: str, files: dict[str, bytes]) -> None:
    """Write an output that is kept by git, and remove what else lies there, as DVC does before it runs a stage."""
    wanted = {name: content for name, content in files.items() if name == out or name.startswith(f"{out}/")}
    if forged := [name for name in wanted if not inside(name)]:
        raise StateError(forged[0], "a result that is not of this output", "remove it from DVC's remote, and run again")
    if Path(out).is_dir():
        for path in sorted(Path(out).rglob("*")):
            if path.is_file() and path.as_posix() not in wanted:
                path.unlink()
    for name, content in wanted.items():
        write_bytes(Path(name), content)
