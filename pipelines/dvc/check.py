"""`check`: does dvc.lock, and so every committed metric, match its tree? Needs only what git tracks, no data.

A revision other than the working tree is read out of git by DVC. Nothing of it is checked out or run. Where DVC's cache
has the results, the numbers in metrics/ are computed from these again: a number can be edited together with its hash.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from pipelines.compare.evidence import EVALUATE_AGAIN, unlike_data
from pipelines.compare.facts import WRITE_AGAIN, untrue
from pipelines.compare.runs import read_runs
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.content import Files, files_in, hash_of
from pipelines.dvc.deps import differences, lines_of
from pipelines.dvc.folders import AGAIN, contradictions
from pipelines.dvc.graph import open_repo, stages_that_ran
from pipelines.dvc.lock import LOCK, DvcLock, read_lock, unlike
from pipelines.dvc.revision import WORKSPACE, Revision, git, open_revision
from pipelines.dvc.strays import strays
from pipelines.words import listed
from pixelproof.core.errors import StateError

MODIFIED = ": modified since the run"


def check(name: str = WORKSPACE) -> bool:
    """Print one line for each thing that is stale; True if there are none.

    For the working tree also: does DVC read what git tracks, and does dvc.yaml list the code that each stage imports?
    """
    side = open_revision(name)
    with open_repo() as repo:
        stale = stale_at(repo, side)
        partial, false = ([], []) if stale else untrue_at(repo, side)
        wrong = [] if side.commit else strays(repo) + lines_of(differences(Path(), repo.index.stages))
    if lines := stale + partial + false + wrong:
        print(*lines, sep="\n")
    tree = "this tree" if side.commit is None else f"the tree of {name}"
    kept = "dvc.lock, metrics/ and tables/"
    if stale:
        print(f"dvc.lock is stale: {len(stale)} thing(s) above; run `dvc repro`, then commit {kept}")
    elif partial:
        print(f"results are not of the data: {len(partial)} thing(s) above; {EVALUATE_AGAIN}, then commit {kept}")
    elif false:
        print(f"metrics/ is not what the results give: {len(false)} number(s) above; {WRITE_AGAIN}, then commit {kept}")
    elif wrong:
        print(f"dvc.lock does not record all that runs read: {len(wrong)} thing(s) above")
    else:
        print(f"dvc.lock matches {tree}: code, params and commands are those of the last run")
    return not lines


def stale_at(repo: Any, side: Revision) -> list[str]:
    """A line for each thing in which a revision's dvc.lock does not match its tree, or contradicts itself."""
    tracked = side.names()
    with _tree_of(repo, side):
        stages = list(repo.index.stages) if side.commit is None else _local(repo.index.stages, side)
        stale = stale_things(stages) | contradictions(stages, tracked)
    return [f"{thing}{readers_of(stages)}" for thing, stages in by_file(repo, side, stale).items()]


def untrue_at(repo: Any, side: Revision) -> tuple[list[str], list[str]]:
    """Where a revision's results contradict its data, and its metrics/ and tables/ the results.

    As far as DVC's cache has these.
    """
    outputs = Outputs(side, Store(repo, connect=False), disk=False)
    runs = read_runs(outputs)
    return unlike_data(outputs, runs), untrue(side.metrics(), outputs, runs)


def _tree_of(repo: Any, side: Revision) -> Any:
    """DVC's view of a revision, while this lasts."""
    return nullcontext() if side.commit is None else repo.switch(side.commit)


def by_file(repo: Any, side: Revision, stale: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same, with the files that changed in a folder instead of the folder: each once, with all that read it.

    dvc.lock has one hash for a folder. Its files are those of the commit that last wrote dvc.lock, if they have that
    hash; otherwise the folder stays.
    """
    lock = read_lock(side)
    paths = [path for thing in stale if (path := thing.removesuffix(MODIFIED)) != thing and path in lock.sources]
    ran = _last_run(side) if paths else None
    if ran is None:
        return stale
    with repo.switch(ran):
        before = {path: files_in(repo, path) for path in paths}
    with _tree_of(repo, side):
        now = {path: files_in(repo, path) for path in paths}
    found: dict[str, list[str]] = {}
    for thing, stages in stale.items():
        path = thing.removesuffix(MODIFIED)
        for line in _changed(path, before[path], now[path], lock) if path in before else [thing]:
            found[line] = list(dict.fromkeys([*found.get(line, []), *stages]))
    return found


def _changed(path: str, old: Files, new: Files, lock: DvcLock) -> list[str]:
    """A line for each file of a folder that changed; for the folder, if it is not known which did."""
    if not old or not new or hash_of(path, old) != lock.sources[path]:
        return [f"{path}{MODIFIED}"]
    said = {(True, True): "modified", (True, False): "deleted", (False, True): "new"}
    return [f"{file}: {said[file in old, file in new]} since the run" for file in unlike(dict(old), dict(new))]


def _last_run(side: Revision) -> str | None:
    """The commit that last wrote dvc.lock; None if there is none."""
    try:
        return git("rev-list", "-1", side.commit or "HEAD", "--", LOCK).decode().strip() or None
    except CalledProcessError:
        return None  # no commit yet


def _local(stages: list[Any], side: Revision) -> list[Any]:
    """The stages, if none reads from elsewhere: a stranger's dvc.yaml must not decide where we connect."""
    for stage in stages:
        for part in () if stage.is_data_source else (*stage.deps, *stage.outs):
            if part.protocol != "local" or not part.is_in_repo:
                found = f"{stage.name} reads or writes {part}"
                raise StateError(f"{side.name}: dvc.yaml", found, "give it a path inside the repository")
    return stages


def stale_things(stages: list[Any]) -> dict[str, list[str]]:
    """What differs between dvc.lock and the tree, and the stages that read it."""
    stale: dict[str, list[str]] = {}
    outputs = {out.fs_path: out for stage in stages for out in stage.outs}
    ran = stages_that_ran(stages)
    for stage in stages:
        if stage.is_data_source:
            continue
        if stage.addressing not in ran:
            stale[f"{stage.name}: not in dvc.lock"] = []
            continue
        for thing in _stale_in(stage):
            stale[thing] = []
        for thing in (thing for dep in stage.deps for thing in _stale_dep(dep, outputs)):
            stale.setdefault(thing, []).append(stage.name)
    for thing, names in _two_versions(stages, outputs).items():
        stale.setdefault(thing, []).extend(names)
    return stale


def _stale_in(stage: Any) -> list[str]:
    things = [f"{stage.name}: its command has changed since the run"] if stage.cmd_changed else []
    kept_by_git = [out for out in stage.outs if not out.use_cache]
    changed = {path: state for out in kept_by_git for path, state in _status(out).items()}
    return things + [f"{path}: {state} since {stage.name} wrote it" for path, state in changed.items()]


def _stale_dep(dep: Any, outputs: dict[str, Any]) -> list[str]:
    """Compare params and git's files with the tree, and outputs of stages with dvc.lock, as the data may be absent."""
    from dvc.dependency import ParamsDependency

    if isinstance(dep, ParamsDependency):
        return [
            f"{path}: {key}: {state} since the run"
            for path, keys in dep.status().items()
            for key, state in (keys.items() if isinstance(keys, dict) else [("the file", keys)])
        ]
    if dep.fs_path in outputs:
        same = dep.hash_info == outputs[dep.fs_path].hash_info
        return [] if same else [f"{dep}: dvc.lock records a different version from the one its stage wrote; {AGAIN}"]
    if _inside_outputs(dep.fs_path, outputs):
        return []  # a part of an output, or a folder of outputs: `contradictions` compares these
    return [f"{path}: {state} since the run" for path, state in _status(dep).items()]


def _status(part: Any) -> dict[str, str]:
    """How a file or folder differs from dvc.lock. In a folder read from git, DVC would include ignored files."""
    from dvc.fs import LocalFileSystem

    if isinstance(part.fs, LocalFileSystem) or not part.fs.isdir(part.fs_path):
        return dict(part.status())
    found = hash_of(part.def_path, files_in(part.repo, part.def_path))
    return {} if found == part.hash_info.value else {str(part): "modified"}


def is_written(dep: Any, outputs: dict[str, Any]) -> bool:
    """Whether a stage or `dvc add` writes what a stage reads, or a part of it."""
    return dep.fs_path in outputs or _inside_outputs(dep.fs_path, outputs)


def _inside_outputs(path: str, outputs: dict[str, Any]) -> bool:
    return any(path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in outputs)


def _two_versions(stages: list[Any], outputs: dict[str, Any]) -> dict[str, list[str]]:
    """Parts of outputs (one architecture's config) that two stages read in different versions."""
    readers: dict[str, dict[str, list[str]]] = {}
    for stage in stages:
        for dep in stage.deps:
            if dep.fs_path not in outputs and _inside_outputs(dep.fs_path, outputs) and dep.hash_info:
                readers.setdefault(str(dep), {}).setdefault(dep.hash_info.value, []).append(stage.name)
    return {
        f"{path}: dvc.lock records different versions of it": [name for names in versions.values() for name in names]
        for path, versions in readers.items()
        if len(versions) > 1
    }


def readers_of(names: list[str]) -> str:
    """` (read by train, evaluate)`, or nothing if there are no names."""
    return f" (read by {listed(names)})" if names else ""
