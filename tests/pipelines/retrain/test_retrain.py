"""`retrain` and the circle that it closes: cvat-sdk against a server on loopback, DVC on S3, git, the real stages."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pixelproof.core.errors import ExitCode
from tests.cvat_server import CvatServer, Job, serving
from tests.pipelines.retrain.place import Labelled, bucket, car, flight, gh, labelled

# Everything that it does where labels changed. `each` is told a step's name when it begins.
STEPS = (
    "fetch", "ask the server", "make the worktree", "add the labels", "pull the data", "plan", "reproduce", "compare",
    "commit", "push the data", "push the branch", "propose",
)  # fmt: skip
# Retrains, and is killed after a step; or, with `in`, as soon as a stage of it has trained for a while.
KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from pipelines.retrain.retrain import Request, retrain

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def when_it_trains():
    while not any(Path(".pixelproof/retrain/at-work/tree/.pixelproof/checkpoints").glob("*")):
        time.sleep(0.05)
    die()

def each(name, step):
    if sys.argv[1] == "in " + name:
        threading.Thread(target=when_it_trains, daemon=True).start()
    done = step()
    if sys.argv[1] == name:
        die()
    return done

retrain(Request(projects=(5,), max_hours=1), each=each)
"""

# The same in Prefect, whose run has a state, and a page.
FLOW = """
from pipelines.flows.local import start_server
start_server()
from prefect.client.orchestration import get_client
from pipelines.flows.retrain import retrain

state = retrain(projects=[5], return_state=True)
print(f"{state.name}: {state.message}")
with get_client(sync_client=True) as client:
    for page in client.read_artifacts():
        print(f"{page.key}: {page.description.partition(':')[0]}")
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labelled]:
    server = CvatServer()
    with serving(server), bucket() as s3:
        yield labelled(tmp_path_factory.mktemp("retrain"), server, s3)


def run(world: Labelled, *words: str, **more: str) -> tuple[int, str]:
    """A command's exit code and what it printed."""
    done = subprocess.run(
        words, cwd=world.workspace.folder, env=world.workspace.env | more, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout


def retrain(world: Labelled, **more: str) -> tuple[int, str]:
    """Retrain on all tasks of the project; its exit code and its last line."""
    code, said = run(world, "bin/pixelproof", "retrain", "--project", "5", "--max-hours", "1", **more)
    return code, said.strip().rpartition("\n")[2]


def accept(world: Labelled, number: int) -> None:
    """A person draws what is in a task, and completes it."""
    task = world.server.tasks[number]
    world.server.tasks[number] = replace(
        task, drawn=dict.fromkeys(range(2), car()), jobs=[Job(0, 1)], updated="2024-06"
    )


@pytest.mark.slow
def test_killed_after_each_step_and_started_again(world: Labelled) -> None:
    world.server.tasks[9] = flight(9)
    before = world.git("rev-parse", "HEAD"), world.git("status", "--porcelain")
    for step in (*STEPS[:6], "in reproduce", *STEPS[6:]):
        code, said = run(world, sys.executable, "-c", KILLED, step)
        assert code == -signal.SIGKILL, f"after {step!r}: {code} {said[-2000:]}"
        assert len(world.branches()) == (step in STEPS[10:]), step
    code, said = retrain(world)
    (branch,) = world.branches()
    assert code == ExitCode.CANNOT_TELL and said.startswith(f"{branch} is pushed: cannot tell")
    assert (world.git("rev-parse", "HEAD"), world.git("status", "--porcelain")) == before
    assert world.git("rev-parse", f"origin/{branch}^") == before[0]
    assert retrain(world)[1] == "nothing changed: the server says of these tasks what it said last time"
    rebuilt(world, branch)
    world.workspace.run("git", "push", "-q", "origin", "--delete", branch)


def rebuilt(world: Labelled, branch: str) -> Path:
    """A stranger's clone of a branch, which has all data, and nothing to run."""
    clone = world.workspace.folder.parent / branch.replace("/", "-")
    world.workspace.run("git", "clone", "-q", "-b", branch, str(world.origin), str(clone))
    (clone / ".venv").symlink_to(sys.prefix)
    there = replace(world.workspace, folder=clone)
    there.dvc("pull")
    assert "up to date" in there.dvc("status")
    assert "matches this tree" in there.run("bin/pixelproof", "check")
    return clone


@pytest.mark.slow
def test_the_circle_closes(world: Labelled, tmp_path: Path) -> None:
    """New images, labelled by the network, corrected by a person, learnt from, reviewed, and part of main."""
    server, workspace = world.server, world.workspace
    server.tasks[10] = replace(flight(10, state="new"), drawn={})
    assert retrain(world)[1] == "nothing changed: main has these labels"

    workspace.run("bin/pixelproof", "cvat", "label", "--task", "10", "--arch", "unet", "--threshold", "0.1")
    assert {shape["source"] for shape in server.tasks[10].shapes} == {"auto"}
    assert retrain(world)[0] == ExitCode.GOOD and world.branches() == []  # what no person has seen is not learnt from

    accept(world, 10)
    token = gh(tmp_path)
    _, said = run(world, sys.executable, "-c", FLOW, **token)
    (branch,) = world.branches()
    assert said.splitlines()[-2:] == [
        f"AskHuman: {branch} is pushed: cannot tell; opened its pull request: https://example.org/pull/1",
        f"retrain: {branch} is pushed",
    ], said[-3000:]
    asked = (tmp_path / "asked").read_text()
    assert f"pr create --head {branch} --base main --title Retrain on the labels that were accepted (a human" in asked
    assert retrain(world, **token)[1].startswith("nothing changed: the server says")

    workspace.run("git", "fetch", "-q", "origin")
    workspace.run("git", "merge", "-q", "--ff-only", f"origin/{branch}")
    workspace.run("git", "push", "-q", "origin", "main", f":{branch}")
    assert retrain(world)[0] == ExitCode.GOOD and world.branches() == []
    learnt = rebuilt(world, "main") / "data/prepared"
    assert any("flight-10-0" in (learnt / split / "index.csv").read_text() for split in ("train", "val", "test"))
