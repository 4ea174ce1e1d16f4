"""What is sent elsewhere, told from hashes alone; here each job is done at once, in the second clone."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.dvc.graph import open_repo, read_graph
from pipelines.dvc.order import put_in_order
from pipelines.machines.coordinate import Tell, coordinator, put_files
from pipelines.machines.job import Job
from pipelines.machines.perform import perform
from pixelproof.core.errors import StateError
from tests.pipelines.conftest import sh
from tests.pipelines.machines.two import Machines

STAGES = ["download", "cvat", "prepare", "train@unet", "train@fcn", "report"]


@dataclass
class Asked:
    """Runs of the graph, and the jobs that they sent."""

    machines: Machines
    sent: list[str] = field(default_factory=list)

    def send(self, job: Job, tell: Tell) -> None:
        self.sent.append(job.stage)
        with contextlib.chdir(self.machines.works):
            perform(job)

    def run(self, *order: str) -> dict[str, str]:
        """Go through the stages; what became of each. Another order than DVC's is that of stages side by side."""
        with open_repo() as repo:
            made = coordinator(repo, [], self.send)
            done = {name: made.repro(name, print).value for name in order or read_graph(repo).order}
            made.close()
        with open_repo() as repo:
            put_in_order(repo, [])
        return done


@pytest.fixture
def asked(machines: Machines) -> Asked:
    return Asked(machines)


def test_what_changed_is_sent_and_the_lock_is_that_of_one_machine(asked: Asked, tmp_path: Path) -> None:
    asked.machines.change("params.yaml", "seed: 0", "seed: 1")
    done = asked.run("cvat", "download", "prepare", "train@fcn", "train@unet", "report")
    assert done == dict.fromkeys(STAGES, "ran") | {"cvat": "skipped"}
    assert asked.sent == ["download", "prepare", "train@fcn", "train@unet", "report"]
    assert Path("dvc.lock").read_text() == asked.machines.serial(tmp_path)
    assert not Path("data/prepared").exists() and Path("metrics/unet.json").is_file()
    assert asked.run() == dict.fromkeys(STAGES, "skipped")


def test_what_a_killed_run_has_made_is_taken_and_not_sent_again(asked: Asked) -> None:
    asked.machines.change("params.yaml", "seed: 0", "seed: 1")
    asked.run()
    wanted = Path("dvc.lock").read_text()
    sh("git", "checkout", "-q", "dvc.lock", cwd=Path())
    asked.sent.clear()
    assert asked.run() == dict.fromkeys(STAGES, "restored") | {"cvat": "skipped"}
    assert not asked.sent and Path("dvc.lock").read_text() == wanted


def test_what_comes_out_the_same_stops_the_run_there(asked: Asked) -> None:
    asked.machines.change("params.yaml", "lr: 0.1", "lr: 0.2")  # which the toy's weights do not show
    assert asked.run() == dict.fromkeys(STAGES, "skipped") | {"train@unet": "ran", "train@fcn": "ran"}


def test_outputs_that_the_remote_lacks_are_pushed_from_here_or_made_again(asked: Asked) -> None:
    asked.run()
    sh("dvc", "pull", cwd=Path())
    shutil.rmtree(asked.machines.remote / "files")
    assert asked.run() == dict.fromkeys(STAGES, "skipped")
    shutil.rmtree(asked.machines.remote / "files")
    shutil.rmtree(".dvc/cache")
    assert asked.run() == dict.fromkeys(STAGES[:-1], "ran") | {"report": "skipped"}


def test_metrics_that_were_edited_are_made_again(asked: Asked) -> None:
    made = Path("metrics/unet.json").read_text()
    Path("metrics/unet.json").write_text("{}")
    Path("metrics/stray.json").write_text("{}")
    assert asked.run()["report"] == "ran"
    assert Path("metrics/unet.json").read_text() == made and not Path("metrics/stray.json").exists()


def test_a_commit_that_no_branch_has_is_found_by_the_worker(asked: Asked) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 0", "seed: 1"))
    sh("git", "commit", "-qam", "not pushed", cwd=Path())
    assert asked.run()["download"] == "ran"
    left = sh("git", "ls-remote", "origin", "refs/pixelproof/*", cwd=Path())
    assert not left.stdout, "nothing stays behind"


def test_a_forged_result_writes_nothing_outside_its_output(asked: Asked) -> None:
    forged = {"metrics/../../outside": b"x", "metrics/unet.json": b"{}"}
    with pytest.raises(StateError, match=r"a result that is not of this output"):
        put_files("metrics", forged)
    assert not Path("../outside").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo >> params.yaml", "params.yaml: not as in HEAD; commit that first, or `git stash`: other machines run a"),
        ("touch examples/new.xml", "examples/new.xml: DVC hashes it but git does not track it"),
        ("git remote remove origin", "git: no remote `origin`; `git remote add origin URL`: machines fetch"),
        ("git remote set-url origin /nowhere; git commit -q --allow-empty -m x", "git: cannot push the commit to"),
        ("dvc remote remove store -q; git commit -qam x", "dvc/config: no default remote, through which"),
        ("dvc remote modify store url /proc/nowhere", ".dvc/config: not as in HEAD; commit that first"),
    ],
)
def test_what_other_machines_could_not_run_is_told_at_once(asked: Asked, command: str, said: str) -> None:
    sh("sh", "-c", command, cwd=Path())
    with pytest.raises(StateError) as told:
        asked.run()
    assert said in str(told.value)
    assert not asked.sent
