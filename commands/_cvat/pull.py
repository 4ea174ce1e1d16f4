"""Pulls the finished part of tasks from a CVAT server into a folder: one export for each task."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cvat_sdk.core.client import Client

from commands._cvat.download import fetch_export
from commands._cvat.export import write_folder
from commands._cvat.server import connected
from commands._cvat.transport import Patience
from pixelproof.core.errors import StateError
from pixelproof.core.files import whole_folder
from stages.cvat.archive import ANNOTATIONS

ANNOTATION, TRUTH = "annotation", "ground_truth"  # types of jobs; replicas of a job are drawn for comparison only


@dataclass(frozen=True)
class Finished:
    """Which jobs count as finished: by default those completed, and those in acceptance that are not rejected.

    Attributes:
        stages: the allowed stages; empty for all.
        states: the allowed states; empty for all.
        everything: whether all jobs count.
    """

    stages: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    everything: bool = False

    def __call__(self, job: Any) -> bool:
        """Whether a job counts."""
        stage, state = str(job.stage), str(job.state)
        if self.everything:
            return True
        if self.stages or self.states:
            return stage in (self.stages or (stage,)) and state in (self.states or (state,))
        return state == "completed" or (stage == "acceptance" and state != "rejected")

    def __str__(self) -> str:
        """In words, as what is left out is told."""
        if self.everything:
            return "counted"
        if self.stages or self.states:
            return " in ".join(filter(None, (" or ".join(self.states), " or ".join(self.stages))))
        return "accepted or completed"


@dataclass(frozen=True)
class Jobs:
    """The jobs of a task that say whether a frame is finished."""

    counted: tuple[Any, ...]
    finished: Finished

    def covers(self, frame: int) -> bool:
        """Whether a frame is finished: every job that shows it is, where jobs overlap."""
        of = [job for job in self.counted if job.start_frame <= frame <= job.stop_frame]
        annotated = [job for job in of if str(job.type) == ANNOTATION] or of
        return bool(annotated) and all(map(self.finished, annotated))


class Pulled(NamedTuple):
    """The exports' folders; and why the server does not vouch for tasks of which there are images, by their number."""

    exports: list[Path]
    stale: dict[str, str]


def pull(
    projects: Sequence[int],
    tasks: Sequence[int],
    finished: Finished,
    out: Path,
    patience: Patience | None = None,
    held: Collection[str] = (),
) -> Pulled:
    """Write each task's export to a folder of its own below `out`, which appears once all are there.

    Args:
        projects: whose tasks to pull.
        tasks: further tasks.
        finished: which jobs count.
        out: a new folder, or one that this function wrote.
        patience: with the server.
        held: tasks of which there are images already: those of no project are asked for, if a project is pulled.

    Returns:
        The exports' folders, and the tasks of `held` that the server does not vouch for.

    Raises:
        StateError: the server or the folder is not as it should be, or nothing is finished.
        DataError: an export is not what CVAT writes.
    """
    check_out(out)
    with connected(patience=patience) as client, whole_folder(out) as folder:
        found = tasks_of(client, projects, tasks)
        names = {str(task.id): _pulled(client, task, finished, folder) for task in found}
        if not any(names.values()):
            fix = "finish jobs in CVAT, or say with --state and --stage which to take"
            raise StateError(client.api_map.host, f"no frame of {len(found)} tasks is {finished}", fix)
        stale = {number: f"no frame is {finished}" for number, name in names.items() if not name and number in held}
        others = [number for number in held if number not in names and projects]
        stale |= {number: "the server shows no such task" for number in others if _is_gone(client, number)}
    return Pulled([out / name for name in names.values() if name], stale)


def check_out(out: Path) -> None:
    """Require a folder that may be replaced: a new one, or one with nothing but exports as `pull` names them."""
    there = sorted(out.iterdir()) if out.is_dir() else []
    foreign = [path for path in there if not (path.name.startswith("task-") and (path / ANNOTATIONS).is_file())]
    if foreign or (out.exists() and not out.is_dir()):
        found = f"it holds {foreign[0].name}, which this command did not write" if foreign else "not a folder"
        raise StateError(str(out), found, "give --out another folder")


def tasks_of(client: Client, projects: Sequence[int], tasks: Sequence[int]) -> list[Any]:
    """Tasks by id, each once."""
    found = {task.id: task for number in projects for task in client.projects.retrieve(number).get_tasks()}
    found |= {number: client.tasks.retrieve(number) for number in tasks if number not in found}
    if not found:
        where = f"project {', '.join(map(str, projects))}"
        raise StateError(f"{client.api_map.host}: {where}", "it has no tasks", "check the number")
    return [found[number] for number in sorted(found)]


def _is_gone(client: Client, number: str) -> bool:
    """Whether there is no task of this number, in any project."""
    if not re.fullmatch("[0-9]{1,9}", number):  # of an export that did not come from CVAT
        return False
    _, answer = client.tasks.api.retrieve(int(number), _parse_response=False, _check_status=False)
    return bool(answer.status == 404)


def _pulled(client: Client, task: Any, finished: Finished, folder: Path) -> str | None:
    """Pull a task, if any of its jobs is finished; the name of its folder."""
    title = f"task {task.id} {task.name!r}"
    if getattr(task, "dimension", None) == "3d":
        print(f"{title}: left out, it holds point clouds")
        return None
    jobs = Jobs(tuple(job for job in task.get_jobs() if str(job.type) in (ANNOTATION, TRUTH)), finished)
    done = [finished(job) for job in jobs.counted if str(job.type) == ANNOTATION]
    count = f"{title}: {sum(done)} of {len(done)} jobs {finished}"
    if not any(map(finished, jobs.counted)):
        print(f"{count}; {task.size} frames left out")
        return None
    name = f"task-{task.id}"
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:  # where there is room for it
        part = Path(scratch, f"{name}.zip")
        fetch_export(client, task.id, part)
        kept, left = write_folder(part, folder / name, jobs.covers)
    print(f"{count}; {kept} frames pulled, {left} left out")
    return name if kept else None
