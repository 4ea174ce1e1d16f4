"""What a CVAT server says of tasks: how far each of their jobs is, and when it last changed. Read in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commands._cvat.pull import ANNOTATION, Finished, tasks_of
from commands._cvat.server import connected
from commands._cvat.transport import Patience


def status(projects: Sequence[int], tasks: Sequence[int], patience: Patience | None = None) -> dict[str, Any]:
    """The state of tasks and of their jobs; it is the same while nothing that `pull` takes changes on the server.

    Args:
        projects: whose tasks to ask for.
        tasks: further tasks.
        patience: with the server.

    Returns:
        The server, and by task its name, its date of change, and its jobs.

    Raises:
        StateError: the server is not as it should be.
    """
    with connected(patience=patience) as client:
        found = tasks_of(client, projects, tasks)
        return {"server": client.api_map.host, "tasks": {str(task.id): _state(task) for task in found}}


def _state(task: Any) -> dict[str, Any]:
    jobs = {str(job.id): _job(job) for job in task.get_jobs()}
    return {"name": task.name, "updated": str(task.updated_date), "jobs": jobs}


def _job(job: Any) -> dict[str, Any]:
    about = {"type": str(job.type), "stage": str(job.stage), "state": str(job.state)}
    return {**about, "updated": str(job.updated_date), "accepted": Finished()(job)}


def told(found: dict[str, Any]) -> list[str]:
    """A line for each task.

    Example:
        >>> jobs = {"1": {"type": "annotation", "accepted": True}, "2": {"type": "annotation", "accepted": False}}
        >>> told({"server": "http://localhost", "tasks": {"7": {"name": "flight", "jobs": jobs}}})
        ["task 7 'flight': 1 of 2 jobs accepted or completed"]
    """
    lines = []
    for number, task in found["tasks"].items():
        accepted = [job["accepted"] for job in task["jobs"].values() if job["type"] == ANNOTATION]
        lines.append(f"task {number} {task['name']!r}: {sum(accepted)} of {len(accepted)} jobs {Finished()}")
    return lines
