"""One stage on another machine: what it pulls, runs, pushes and gives back, and what becomes of a second run of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.compare.store import Store
from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import open_revision
from pipelines.machines.entries import read_entries
from pipelines.machines.inputs import Known, inputs_of
from pipelines.machines.job import Job
from pipelines.machines.perform import CHECKPOINTS, perform
from pipelines.machines.shelf import Shelf
from pixelproof.core.errors import StateError
from tests.pipelines.conftest import commit, sh
from tests.pipelines.machines.two import Machines

# A training that saves where it is, and is killed the first time: it ends only if it finds what it saved.
TRAINING = """
saved = pathlib.Path(".pixelproof/checkpoints/fcn/checkpoint.pt")
if not saved.exists():
    saved.parent.mkdir(parents=True)
    saved.write_text("half")
    sys.exit("killed")
print(f"goes on from {saved.read_text()}")
"""


def job_of(stage: str, made: str) -> Job:
    """What would be asked for in this folder."""
    entries = read_entries(Path())
    hashes = {out["path"]: out["md5"] for entry in entries.values() for out in entry["outs"]}
    with open_repo() as repo:
        found = {one.addressing: one for one in repo.index.stages}
        inputs = inputs_of(found[stage], Known(hashes, frozenset({"metrics"}), Store(repo), open_revision("HEAD")))
    return Job(made, stage, inputs.key, inputs.deps, entries)


@pytest.fixture
def job(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A training with another learning rate; the current folder is then the clone of the machine that works."""
    asked = job_of("train@fcn", machines.change("params.yaml", "lr: 0.1", "lr: 0.2"))
    monkeypatch.chdir(machines.works)
    return asked


def objects(cache: Path) -> set[str]:
    return {path.parent.name + path.name for path in (cache / "files/md5").glob("*/*")}


def test_it_gives_back_the_entry_that_a_run_here_would_write(machines: Machines, job: Job, tmp_path: Path) -> None:
    result = perform(job)
    assert machines.ran() == ["train-fcn"]
    machines.serial(tmp_path)
    assert result.entry == read_entries(tmp_path / "alone")["train@fcn"]


def test_it_pulls_the_inputs_of_its_stage_and_nothing_else(machines: Machines, job: Job) -> None:
    result = perform(job)
    with open_repo(machines.asks) as repo:
        train = job.entries["prepare"]["outs"][1]
        assert train["path"] == "data/prepared/train"
        wanted = set((Store(repo).listing(train["md5"], "data/prepared/train") or {}).values()) | {train["md5"]}
        own = set((Store(repo).listing(result.outs["models/fcn"], "models/fcn") or {}).values())
    assert objects(machines.works / ".dvc/cache") == wanted | own | {result.outs["models/fcn"]}
    assert not (machines.works / ".pixelproof/jobs" / job.key[:16]).exists()


def test_a_second_run_of_the_same_finds_the_result_and_runs_nothing(machines: Machines, job: Job) -> None:
    first = perform(job)
    assert perform(job) == first
    assert machines.ran() == ["train-fcn"]


def test_a_twin_that_made_something_else_is_told(machines: Machines, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    first = perform(job)
    other = {**first.entry, "outs": [{**first.entry["outs"][0], "md5": "0" * 32 + ".dir"}]}
    asked = iter([None, type(first)(other, {}, "an older machine")])
    monkeypatch.setattr(Shelf, "result", lambda self: next(asked))
    shutil.rmtree(machines.works / ".dvc/cache")
    with pytest.raises(StateError, match=r"train@fcn: two runs from the same inputs differ in models/fcn .*an older"):
        perform(job)


def test_a_result_whose_outputs_are_gone_is_none(machines: Machines, job: Job) -> None:
    first = perform(job)
    oid = first.outs["models/fcn"]
    (machines.remote / "files/md5" / oid[:2] / oid[2:]).unlink()
    shutil.rmtree(machines.works / ".dvc/cache")
    assert perform(job) == first
    assert machines.ran() == ["train-fcn"] * 2


def test_another_machine_goes_on_where_one_was_killed(
    machines: Machines, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = machines.asks / "code/stage.py"
    stage.write_text(
        stage.read_text().replace(
            "for out in outs:", f"if name == 'train-fcn':\n  exec('''{TRAINING}''')\nfor out in outs:"
        )
    )
    monkeypatch.chdir(machines.asks)
    asked = job_of("train@fcn", machines.publish())
    monkeypatch.chdir(machines.works)
    with pytest.raises(StateError, match="failed to reproduce 'train@fcn'"):
        perform(asked)
    sh("git", "clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / "third"), cwd=tmp_path)
    monkeypatch.chdir(tmp_path / "third")
    perform(asked)
    assert "goes on from half" in capfd.readouterr().out
    assert not list(machines.remote.glob("pixelproof/*/*/checkpoints.json")), "what is done leaves none"


def test_a_checkpoint_with_other_bytes_is_not_taken(machines: Machines, job: Job, tmp_path: Path) -> None:
    with open_repo() as repo:
        shelf = Shelf(repo.cloud.get_remote(), job.key)
    (saved := tmp_path / "saved").write_text("whole")
    shelf.keep_checkpoints({f"{CHECKPOINTS}/fcn": saved})
    ((name, digest),) = shelf.checkpoints().items()
    assert shelf.fetch_checkpoint(digest, tmp_path / "got") and (tmp_path / "got").read_text() == "whole"
    next(machines.remote.glob(f"pixelproof/*/*/{digest}")).write_text("forged")
    assert not shelf.fetch_checkpoint(digest, tmp_path / "again")
    assert name == f"{CHECKPOINTS}/fcn"


def test_other_packages_are_refused(machines: Machines, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(machines.asks)
    Path("requirements.lock").write_text("torch==9\n")
    asked = job_of("train@fcn", commit(machines.asks))
    monkeypatch.chdir(machines.works)
    sh("git", "push", "-q", "origin", "main", cwd=machines.asks)
    Path("requirements.lock").write_text("torch==2\n")
    with pytest.raises(StateError, match=r"requirements.lock: that of commit \w{8} names other packages"):
        perform(asked)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "../../../x"}, "a job: its key is '../../../x'"),
        ({"commit": "--upload-pack=touch x"}, "a job: its commit is '--upload-pack"),
        ({"stage": "train; touch x"}, "a job: its stage is 'train; touch x'"),
        ({"inputs": {"../../etc": None}}, "a job: its input '../../etc' is outside"),
    ],
)
def test_a_forged_job_is_refused(job: Job, change: dict[str, Any], said: str) -> None:
    with pytest.raises(StateError) as told:
        perform(replace(job, **change))
    assert said in str(told.value)


def test_the_remote_is_that_of_the_commit(machines: Machines, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's clone may be older than the remote; what is set for it alone, such as keys, it keeps."""
    sh("dvc", "remote", "remove", "store", "-q", cwd=machines.works)
    assert perform(job).outs.keys() == {"models/fcn"}
