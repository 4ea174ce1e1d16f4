"""Runs the points of a sweep, up to `jobs` side by side, and goes on where a killed run stopped.

DVC's own queue is not used: it hangs and loses logs. Each point runs `dvc repro` in a worktree of its own and becomes
an experiment in one step when all is done (record.py). So a point is lost by no kill, and none that is done runs again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.dvc.committed import check_committed, data_files
from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import git
from pipelines.edit import set_values
from pipelines.place import MARK, Place, dvc_settings, end_left, prepare, remove
from pipelines.processes import Command, end, start
from pipelines.sweeps import common
from pipelines.sweeps.failure import BEGINS, Failure, cause
from pipelines.sweeps.record import Record, experiment, recorded, save
from pipelines.sweeps.spec import Overrides, Point, Sweep
from pipelines.words import listed
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_text
from pixelproof.core.progress import say

HOME = Path(".pixelproof/sweeps")
SECONDS = 0.1  # between two looks at what runs


@dataclass
class State:
    """Where a sweep stands."""

    sweep: Sweep
    head: str
    done: dict[str, Record]
    failed: dict[str, Failure] = field(default_factory=dict)  # by point


@dataclass(frozen=True)
class Clone:
    """What the points start from."""

    head: str
    params: str  # the content of params.yaml
    settings: Mapping[str, Mapping[str, Any]]  # of DVC
    data: tuple[str, ...]  # the .dvc files, whose data a worktree needs


def head_of() -> str:
    """The commit that the points are experiments of."""
    try:
        return git("rev-parse", "--verify", "--quiet", "HEAD").decode().strip()
    except subprocess.CalledProcessError:
        raise StateError("git", "no commit yet", "commit first: a point is an experiment of a commit") from None


def places(sweep: str) -> Path:
    """The folder of the places of a sweep's points."""
    return HOME / sweep / "points"


def edited(params: str, overrides: Overrides) -> str:
    """The content of params.yaml with the settings of a point."""
    return set_values(params, overrides) if overrides else params


def run(sweep: Sweep, jobs: int) -> State:
    """Run what is not done yet, and return where the sweep stands.

    Raises:
        StateError: the working tree is not what DVC's experiments would be of, or the sweep runs already.
    """
    with alone(sweep):
        state = State(sweep, head := head_of(), recorded(sweep, head))
        tidy(state)
        waiting = [point for point in sweep.points if point.name not in state.done]
        if len(waiting) < len(sweep.points):
            say(f"{sweep.name}: {len(state.done)} of {len(sweep.points)} points were done before")
        if waiting:
            clone = look(head)
            if len(waiting) > 1:
                _run_common(sweep, clone)
            _run_points(state, clone, waiting, jobs)
        return state


@contextmanager
def alone(sweep: Sweep) -> Iterator[None]:
    """Hold the sweep's lock: two runs of it would run the same points."""
    from filelock import FileLock, Timeout

    lock = HOME / sweep.name / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise StateError(f"sweep {sweep.name}", "runs already in this clone", "wait for it to end, or end it") from None


def tidy(state: State) -> None:
    """End what a killed run left at work, and remove the places of points that are done or no longer asked for."""
    folder = places(state.sweep.name)
    end_left(HOME / state.sweep.name)
    asked = {point.name for point in state.sweep.points}
    for place in sorted(folder.glob("*")):
        if place.name in state.done or place.name not in asked:
            remove(Place(place))


def look(head: str) -> Clone:
    """What the points start from: HEAD, whose files the working tree must have.

    Raises:
        StateError: files that stages read are changed, or not tracked, so that no experiment would have them.
    """
    with open_repo() as repo, repo.lock:  # without its lock DVC compares no data with what a .dvc file says
        check_committed(repo, "a point is an experiment of a commit")
        sources = [stage for stage in repo.index.stages if stage.is_data_source]
        data = tuple(data_files(repo))
        if touched := [stage.path_in_repo for stage in sources if stage.changed_outs()]:
            fix = "`dvc checkout` or `dvc pull` it, or `dvc add` it again and commit"
            raise StateError(listed(touched), "the data is not what this file says", fix)
        return Clone(head, Path("params.yaml").read_text(encoding="utf-8"), dvc_settings(repo), data)


def _run_common(sweep: Sweep, clone: Clone) -> None:
    """Run the stages that all points share, once."""
    place, told = Place(HOME / sweep.name / "common"), HOME / sweep.name / "common-done"
    params = edited(clone.params, sweep.shared())
    key = "\n".join([clone.head, *sweep.varying(), params])
    if told.is_file() and told.read_text(encoding="utf-8") == key:
        return
    prepare(place, clone.head, params, clone.settings)
    if targets := common.untouched(place.tree, sweep.varying()):
        say(f"{sweep.name}: first what all points share: {listed(targets)}")
        with _Attempts() as attempts:
            if attempts.start(place, clone, targets).wait():
                raise StateError(f"sweep {sweep.name}", cause(place.log), f"all of it: {place.log}")
    write_text(told, key)
    remove(place)


class _Attempts:
    """Processes of attempts; leaving the block, in whatever way, ends those still running."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> _Attempts:
        return self

    def __exit__(self, *ended: object) -> None:
        end(*self.running)

    def start(self, place: Place, clone: Clone, targets: list[str]) -> subprocess.Popen[bytes]:
        """Start an attempt; what it says goes to its log."""
        data = [word for path in clone.data for word in ("--data", path)]
        command = [sys.executable, "-m", "pipelines.sweeps.attempt", str(place.folder.absolute()), str(os.getpid())]
        with place.log.open("ab", buffering=0) as log:
            log.write(f"\n{BEGINS}".encode())
            environment = os.environ | {MARK: str(place.folder.absolute())}
            process = start(Command([*command, *data, *targets], environment=environment), log)
        self.running.append(process)
        return process


def _run_points(state: State, clone: Clone, waiting: list[Point], jobs: int) -> None:
    """Run points side by side until all are done or have failed."""
    left, running = iter(waiting), dict[str, tuple[Point, subprocess.Popen[bytes]]]()
    with _Attempts() as attempts:
        while True:
            while len(running) < jobs and (point := next(left, None)):
                place = Place(places(state.sweep.name) / point.name)
                prepare(place, clone.head, edited(clone.params, point.overrides), clone.settings)
                running[point.name] = point, attempts.start(place, clone, [])
            if not running:
                return
            time.sleep(SECONDS)
            for name in [name for name, (_, process) in running.items() if process.poll() is not None]:
                point, process = running.pop(name)
                attempts.running.remove(process)
                finish(state, point, process.returncode)


def finish(state: State, point: Point, code: int) -> None:
    """Make a point an experiment, or say that it failed."""
    place = Place(places(state.sweep.name) / point.name)
    number = f"{len(state.done) + len(state.failed) + 1} of {len(state.sweep.points)}"
    ended = _ended(state, point, place, code)
    if isinstance(ended, Failure):
        state.failed[point.name] = ended
        say(f"[{number}] {point.name}: failed: {ended}")
        return
    state.done[point.name] = ended
    say(f"[{number}] {point.name}: done in {ended.seconds:.0f} s, as experiment {experiment(state.sweep, point)}")
    remove(place)


def _ended(state: State, point: Point, place: Place, code: int) -> Record | Failure:
    if code < 0:  # killed, and what it had started works on
        end_left(place.folder, patience=0)
        return Failure(f"its process was ended by {signal.Signals(-code).name}", place.log)
    if code:
        return Failure(cause(place.log), place.log)
    seconds = place.seconds()
    try:
        return Record(save(place.tree, place.index, state.sweep, point, state.head, seconds), seconds)
    except StateError as error:  # of this point alone: the others go on
        return Failure(str(error))
