"""`pixelproof cvat pull` of tasks that are no longer finished, or gone: their images are named, and go on request."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from commands.__main__ import main
from pixelproof.core.errors import PixelproofError
from stages.cvat.store import read_index
from tests.commands.adding import FIRST, Clone, export, in_all, table
from tests.commands.cvat_place import server, task
from tests.cvat_server import CvatServer, Job

__all__ = ["server"]

STAY = "still in the data, though the server no longer vouches for them: "


@pytest.fixture
def clone(server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """24 images of an export, 6 of task 7, 2 of task 8, 6 of task 9 and 6 of task 10, which is in another project."""
    clone = Clone.at(tmp_path / "clone")
    clone.told(export(FIRST).zip(tmp_path / "flights.zip"))
    server.tasks[9] = task(9, [Job(0, 2), Job(3, 5)])
    server.tasks[10] = task(10, [Job(0, 5)], project=6)
    monkeypatch.chdir(clone.folder)
    main(["cvat", "pull", "--project", "5", "--project", "6"])
    return clone


def pulled(capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    """What a pull of the project says."""
    capsys.readouterr()
    main(["cvat", "pull", "--project", "5", *more])
    return capsys.readouterr().out.splitlines()


def held(clone: Clone) -> Counter[str]:
    """The images of each task."""
    return Counter(line.task for line in read_index(clone.store))


def test_what_is_rejected_or_gone_is_named_and_removed_on_request(
    server: CvatServer, clone: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not any(STAY in line for line in pulled(capsys))  # task 10 is in another project: that is no news
    before = clone.files()
    for job in server.tasks[9].jobs:
        job.state = "rejected"
    del server.tasks[8]
    said = pulled(capsys)
    assert said[-1] == (
        f"{STAY}task 8 (2 images: the server shows no such task), task 9 (6 images: no frame is accepted or "
        "completed); remove them by `pull` with --remove 8 --remove 9"
    )
    assert in_all(table(said)) == (0, 0, 0, 38 + 6) and clone.files() == before
    main(["add", "cvat:project/5"])
    assert said[-1] in capsys.readouterr().out.splitlines() and clone.files() == before
    said = pulled(capsys, "--remove", "9")
    assert in_all(table(said)) == (0, 0, 6, 38) and held(clone) == {"flights": 24, "7": 6, "8": 2, "10": 6}
    assert said[-1] == f"{STAY}task 8 (2 images: the server shows no such task); remove them by `pull` with --remove 8"
    for job in server.tasks[9].jobs:
        job.state = "completed"
    assert in_all(table(pulled(capsys, "--remove", "8"))) == (6, 0, 2, 36)
    assert held(clone) == {"flights": 24, "7": 6, "9": 6, "10": 6}
    assert len(clone.images()) == 42


def test_a_picture_that_another_task_has_too_stays(
    server: CvatServer, clone: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    server.tasks[11] = task(11, [Job(0, 5)], project=6)
    server.tasks[11].frames = {f"b/{name}": pixels for name, pixels in server.tasks[9].frames.items()}
    main(["cvat", "pull", "--task", "11"])
    ids = {line.photograph: line.id for line in read_index(clone.store)}
    del server.tasks[9]
    assert in_all(table(pulled(capsys, "--remove", "9"))) == (0, 0, 0, 44)
    assert held(clone) == {"flights": 24, "7": 6, "8": 2, "10": 6, "11": 6}
    assert {line.photograph: line.id for line in read_index(clone.store)} == ids


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--remove", "7"), "--remove 7: there are no images of it, or the server vouches for them; leave it out"),
        (("--remove", "10"), "--remove 10: there are no images of it, or the server vouches"),
        (("--remove", "99"), "--remove 99: there are no images of it"),
        (("--remove", "7", "--out", "x"), "argument --out: not allowed with argument --remove"),
    ],
)
def test_nothing_else_is_removed(
    clone: Clone, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    before = clone.files()
    with pytest.raises((PixelproofError, SystemExit)) as raised:
        pulled(capsys, *arguments)
    assert message in f"{raised.value}{capsys.readouterr().err}" and clone.files() == before
