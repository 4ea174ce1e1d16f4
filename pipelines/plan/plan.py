"""`plan`: which stages `dvc repro` would run, and why, before hours are spent. Nothing is run or written.

Stages are examined in the order in which they run. A stage whose command, params or known inputs changed will run,
unless DVC has the results of exactly such a run. A stage below it may run: DVC compares contents, so whether it runs is
known only once its inputs exist. A stage that needs one at which DVC would stop waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psutil

from pipelines.dvc.graph import read_graph
from pipelines.dvc.leftovers import unwritten
from pipelines.plan.expected import Expected
from pipelines.plan.listings import path_of
from pipelines.plan.reasons import of_inputs, of_outputs, of_stopped, of_waiting
from pipelines.words import listed
from pixelproof.core.errors import StateError
from pixelproof.core.leftovers import FOLDERS, leftovers

Action = Literal["up to date", "runs", "may run", "restored", "frozen", "stops", "waits"]


@dataclass(frozen=True)
class Step:
    """What `dvc repro` would do when it comes to a stage."""

    stage: str
    action: Action
    reasons: tuple[str, ...] = ()


def plan(repo: Any, targets: Sequence[str] = ()) -> list[Step]:
    """A step for each stage that the targets need (without targets: all of dvc.yaml), in the order of running.

    Data added by `dvc add` has a step only if it stops the run.

    Raises:
        StateError: a stage is being run.
    """
    refuse_writers(repo)
    stages = {stage.addressing: stage for stage in repo.index.stages}
    graph, expected, steps = read_graph(repo, targets), Expected(repo), list[Step]()
    stopped: dict[str, list[str]] = {}  # stage -> those that stop before it, or itself
    for name in graph.order:
        stage = stages[name]
        step = _check_data(stage, expected) if stage.is_data_source else decide(stage, expected)
        before = [] if stage.frozen else [stop for need in graph.needs[name] for stop in stopped.get(need, [])]
        stopped[name] = list(dict.fromkeys(before))
        if step and step.action in ("runs", "may run", "restored") and before:
            step = Step(name, "waits", (of_stopped(stopped[name]),))
        elif step and step.action == "stops":
            stopped[name] = [name]
        steps += [step] if step else []
    return steps


def refuse_writers(repo: Any) -> None:
    """Refuse to plan while another process is writing; DVC lists the writers in a file."""
    try:
        writers = json.loads(Path(repo.tmp_dir, "rwlock").read_text(encoding="utf-8")).get("write", {})
    except (FileNotFoundError, ValueError):  # none yet, or just being written
        writers = {}
    for path, writer in writers.items():
        if psutil.pid_exists(writer["pid"]):
            found = f"another process writes it (`{writer['cmd']}`)"
            raise StateError(path.removeprefix(f"{repo.root_dir}/"), found, "wait for it to end, then plan again")


def _check_data(stage: Any, expected: Expected) -> Step | None:
    """DVC takes in changes of added data; it does not fetch missing data."""
    missing = [out for out in stage.outs if not out.exists]
    if not missing:
        return None
    cached = stage.outs_cached()
    if cached:
        expected.restore(missing)
    else:
        expected.leave_open(stage.addressing, missing)
    bring = "checkout" if cached else "pull"
    reason = f"missing: {listed([path_of(out) for out in missing])}; run `dvc {bring} {stage.addressing}`"
    return Step(stage.addressing, "stops", (reason,))


def decide(stage: Any, expected: Expected) -> Step:
    """What would happen to a stage; what it leaves for the stages below goes into `expected`."""
    files = [dep for dep in stage.deps if dep not in stage.params]
    waiting = [dep for dep in files if expected.writers(dep)]
    known = [dep for dep in files if dep not in waiting]
    changed, wrong = of_inputs(stage, known, expected), of_outputs(stage, expected)
    if stage.frozen:
        return _frozen(stage, changed, wrong, expected)
    absent = [path_of(dep) for dep in known if expected.hash_of(dep) is None]
    absent += [f"{dep}: {key}" for dep in stage.params for key in set(dep.params) - dep.read_params().keys()]
    if absent:
        expected.leave_open(stage.addressing, stage.outs)
        return Step(stage.addressing, "stops", (f"missing, and no stage makes it: {listed(sorted(absent))}",))
    if not changed and not wrong and not waiting:
        return Step(stage.addressing, "up to date")
    stored = stored_run(stage, changed, expected) if changed or wrong else stage
    if stored and not waiting:
        expected.restore(stored.outs)
        place = "DVC's run cache, which has a run with exactly these inputs" if changed else "DVC's cache"
        return Step(stage.addressing, "restored", (*changed, *wrong, f"from {place}"))
    expected.leave_open(stage.addressing, stage.outs)
    if left := _leftovers(stage):
        return Step(stage.addressing, "stops", (left,))
    if not stored:
        return Step(stage.addressing, "runs", (*changed, *wrong))
    otherwise = ("else restored from DVC's cache",) if changed or wrong else ()
    return Step(stage.addressing, "may run", (of_waiting(waiting, expected), *changed, *wrong, *otherwise))


def _leftovers(stage: Any) -> str:
    """What the report would refuse: it reads the folders of all networks as a whole."""
    if not any(path_of(dep) in FOLDERS for dep in stage.deps):
        return ""
    root, outs = Path(stage.repo.root_dir), [out.def_path for out in stage.repo.index.outs]
    found = leftovers(root, outs)
    if foreign := unwritten(outs, found, root):
        return f"it refuses files that no stage has written: {listed(foreign)}; move or delete them"
    fix = "`bin/pixelproof gc` removes them if DVC could restore them, as `make repro` and `reproduce` do first"
    return f"it refuses what removed networks or seeds left: {listed(found)}; {fix}" if found else ""


def _frozen(stage: Any, changed: list[str], wrong: list[str], expected: Expected) -> Step:
    missing = [out for out in stage.outs if not out.exists]
    if missing:
        expected.leave_open(stage.addressing, missing)
        found = f"frozen, and missing: {listed([path_of(out) for out in missing])}"
        return Step(stage.addressing, "stops", (f"{found}; unfreeze it or fetch them",))
    if not changed and not wrong:
        return Step(stage.addressing, "up to date")
    return Step(stage.addressing, "frozen", ("frozen in dvc.yaml; otherwise it would run", *changed, *wrong))


def stored_run(stage: Any, changed: Sequence[str], expected: Expected) -> Any | None:
    """The outputs that DVC would restore instead of running, as one of DVC's stages; None if it has to run.

    It does what `StageCache.restore` in dvc/stage/cache.py does, without writing. An input that may be made anew is
    assumed to come out as before.
    """
    from dvc.stage.cache import _can_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    runs = stage.repo.stage_cache
    with _inputs(stage, expected):
        if not _can_hash(stage):
            return None
        if changed:
            entry = runs._load(stage)
        else:
            entry = to_single_stage_lockfile(stage) if all(out.hash_info for out in stage.outs) else None
    made = runs._create_stage(entry, wdir=stage.wdir) if entry else None
    return made if made and made.outs_cached() else None


@contextmanager
def _inputs(stage: Any, expected: Expected) -> Iterator[None]:
    """Give a stage the input hashes that it would find."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta

    before = {dep: (dep.hash_info, dep.meta) for dep in stage.deps}
    for dep in stage.deps:
        if dep in stage.params:
            dep.hash_info = dep.get_hash()
        elif not expected.writers(dep):
            dep.hash_info = HashInfo(dep.hash_name, expected.hash_of(dep))
            dep.meta = Meta(isexec=dep.meta.isexec)  # the one fact of it, beside the hash, by which DVC looks runs up
        dep.get_hash = partial(getattr, dep, "hash_info")
    try:
        yield
    finally:
        for dep, (hash_info, meta) in before.items():
            dep.hash_info, dep.meta = hash_info, meta
            del dep.get_hash
