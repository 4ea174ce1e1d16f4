"""Where the images of tasks are in CVAT: the number of each frame, and the job that shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cvat_sdk.core.client import Client

from commands._cvat.pull import ANNOTATION
from commands._cvat.server import connected
from commands._cvat.transport import HiddenError
from pixelproof.core.progress import track
from stages.cvat.naming import Key, ids_of


@dataclass(frozen=True)
class Frames:
    """Of one task.

    Attributes:
        numbers: of frames, by the image's name and by the id that it has in the dataset.
        start: the first frame of a video that the task uses.
        step: from one frame that it uses to the next.
        jobs: first frame, last frame and id of each job.
    """

    numbers: Mapping[str, int]
    start: int
    step: int
    jobs: tuple[tuple[int, int, int], ...]

    def place(self, sample_id: str, name: str, frame: str) -> tuple[int, int] | None:
        """The frame's number within the task, and a job that shows it; None if there is none.

        Args:
            sample_id: in the dataset.
            name: in the task; "" if it is not known.
            frame: the frame's number in the video; "" for an image.
        """
        number = (int(frame) - self.start) // self.step if frame.isdigit() else self.numbers.get(name or sample_id)
        of = [job for first, last, job in self.jobs if number is not None and first <= number <= last]
        return (number, of[0]) if number is not None and of else None


def frames_of(tasks: Collection[int]) -> dict[str, Frames | None]:
    """Ask the server that the environment names.

    Args:
        tasks: their numbers.

    Returns:
        The frames of each task by its number; None for one that is gone, or that the token's owner may not see.

    Raises:
        StateError: the server cannot be asked.
    """
    with connected() as client:
        return {str(number): _seen(client, number) for number in track(sorted(tasks), "tasks asked", len(tasks))}


def _seen(client: Client, number: int) -> Frames | None:
    try:
        return _frames(client.tasks.retrieve(number))
    except HiddenError:
        return None


def _frames(task: Any) -> Frames:
    meta = task.get_meta()
    names = [str(frame.name) for frame in meta.frames]
    ids = ids_of([Key(str(task.id), "", name) for name in names])
    by_id = {ids[Key(str(task.id), "", name)]: number for number, name in enumerate(names)}
    _, _, step = str(meta.frame_filter or "").partition("step=")
    jobs = sorted((job.start_frame, job.stop_frame, job.id) for job in task.get_jobs() if str(job.type) == ANNOTATION)
    by_name = {name: number for number, name in enumerate(names)}
    return Frames({**by_id, **by_name}, int(meta.start_frame), int(step) if step.isdigit() else 1, tuple(jobs))
