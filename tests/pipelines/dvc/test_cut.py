"""dvc.lock after a kill, with real DVC: cut off, it stops DVC for ever; our commands put the committed one back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.conftest import python, runs, sh

LOCK = Path("dvc.lock")


@pytest.mark.parametrize("behind", [b"", b"outs"])
def test_a_lock_that_was_cut_off_is_that_of_the_last_commit(repo: Path, behind: bytes) -> None:
    """Of a stage that had run since, the results are restored."""
    committed = (repo / LOCK).read_bytes()
    (repo / "params.yaml").write_text((repo / "params.yaml").read_text().replace("lr: 0.1", "lr: 0.2"))
    sh("dvc", "repro", cwd=repo)
    whole, ran = (repo / LOCK).read_bytes(), runs(repo)
    assert whole != committed
    cut = whole[: whole.index(behind) + len(behind)]
    (repo / LOCK).write_bytes(cut)
    dvc = [sys.executable, "-m", "dvc", "repro"]
    refused = subprocess.run(dvc, cwd=repo, capture_output=True, text=True, check=False)
    assert refused.returncode and "dvc.lock" in refused.stderr, "this DVC repairs it itself"
    done = python("gc", cwd=repo)
    assert done.returncode == 0 and "dvc.lock: a process of DVC that was killed had cut it off; that of" in done.stderr
    assert (repo / LOCK).read_bytes() == committed
    assert (repo / ".dvc/tmp/dvc.lock.cut").read_bytes() == cut
    sh("dvc", "repro", cwd=repo)
    assert (repo / LOCK).read_bytes() == whole
    assert runs(repo) == ran


def test_one_that_no_commit_has_is_removed(repo: Path) -> None:
    sh("git", "rm", "-q", "--cached", "dvc.lock", cwd=repo)
    sh("git", "commit", "-qm", "Without it", cwd=repo)
    (repo / LOCK).write_text("")
    done = python("gc", cwd=repo)
    assert done.returncode == 0 and "removed, as no commit has one" in done.stderr and not (repo / LOCK).exists()


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\nschema: '2.0'\n", "schema: '2.0'\nstages: {}", "stages: [1]"])
def test_what_was_not_cut_off_stays(repo: Path, text: str) -> None:
    """The marks of a merge, and what a person wrote, are their owner's; a last line without its end is no harm."""
    (repo / LOCK).write_text(text)
    done = python("gc", cwd=repo)
    assert (repo / LOCK).read_text() == text and "cut it off" not in done.stderr
