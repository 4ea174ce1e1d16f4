"""What the tests of `pixelproof cvat` share: a server with two tasks, and an environment that names it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands._cvat.transport import Patience
from tests.cvat_server import TOKEN, CvatServer, Job, Task, serving


def png(seed: int, width: int = 8, height: int = 6) -> bytes:
    """A photograph."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def shape(number: int) -> str:
    """A polygon as CVAT writes it, with an attribute that holds more than letters."""
    return (
        f'    <polygon label="car" source="manual" occluded="0" points="1.00,1.00;5.{number:02},1.00;5.00,4.00" '
        f'z_order="0">\n      <attribute name="note">  a &lt;b&gt; &amp; "c" {number}</attribute>\n    </polygon>\n'
    )


def task(number: int, jobs: list[Job], count: int = 6, project: int | None = 5, **more: Any) -> Task:
    """A task with one shape in each frame."""
    frames = {f"a/{number}-{each:02}.png": png(10 * number + each) for each in range(count)}
    drawn = {each: shape(each) for each in range(count)}
    return Task(number, frames, jobs, project, drawn=drawn, labels=[{"id": 1, "name": "car"}], **more)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CvatServer]:
    """A project of two tasks: one finished, one with one of three jobs finished and jobs that overlap."""
    server = CvatServer()
    server.tasks[7] = task(7, [Job(0, 5, stage="acceptance", state="new")])
    overlapping = [Job(0, 2), Job(2, 4, "in progress"), Job(5, 5, "rejected", "acceptance")]
    server.tasks[8] = task(8, overlapping, project=5)
    monkeypatch.setenv("CVAT_HOST", server.url)
    monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
    monkeypatch.setattr(Patience, "__init__", quick_init)
    with serving(server):
        yield server


_INIT = Patience.__init__


def quick_init(self: Patience, **given: Any) -> None:
    """The patience of these tests where a command makes its own."""
    of = {"attempts": 4, "backoff": 0.01, "longest": 5.0, "stall": 5.0, "period": 0.01}
    _INIT(self, **{**of, **given})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between attempts; without waiting."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def tree(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


__all__ = ["pauses", "png", "quick_init", "server", "shape", "task", "tree"]
