"""`gc --cache` and `--remote`: what a branch, a tag or an experiment needs stays, wherever it is; the rest goes."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.pipelines.conftest import commit, python, sh
from tests.pipelines.machines.two import Machines

OLD = time.time() - 30 * 24 * 3600


def objects(store: Path) -> set[str]:
    return {path.parent.name + path.name for path in (store / "files/md5").glob("*/*")}


def age(store: Path) -> None:
    """Make everything in a store look a month old."""
    for path in store.rglob("*"):
        os.utime(path, (OLD, OLD))


def run_with(seed: int, repo: Path) -> set[str]:
    """Reproduce with another seed; the objects that this adds to the cache."""
    before = objects(repo / ".dvc/cache")
    text = (repo / "params.yaml").read_text()
    first, _, rest = text.partition("\n")
    assert first.startswith("seed: ")
    (repo / "params.yaml").write_text(f"seed: {seed}\n{rest}")
    sh("dvc", "repro", "download", "prepare", cwd=repo)
    return objects(repo / ".dvc/cache") - before


def test_what_a_branch_a_tag_or_this_folder_needs_stays(repo: Path) -> None:
    sh("git", "checkout", "-q", "-b", "other", cwd=repo)
    branch = run_with(1, repo)
    commit(repo)
    tagged = run_with(2, repo)
    commit(repo)
    sh("git", "tag", "v1", cwd=repo)
    lost = run_with(3, repo)
    sh("git", "checkout", "-q", ".", cwd=repo)
    sh("git", "reset", "-q", "--hard", "HEAD~1", cwd=repo)
    workspace = run_with(4, repo)
    assert branch and tagged and lost and workspace
    everything = objects(repo / ".dvc/cache")
    young = python("gc", "--cache", "--force", cwd=repo)
    assert "removed 0 files" in young.stdout and f"{len(lost)} more are younger than 7 days" in young.stdout
    age(repo / ".dvc/cache")
    dry = python("gc", "--cache", cwd=repo)
    assert f"would remove {len(lost)} files" in dry.stdout and "nothing was removed: --force does it" in dry.stdout
    assert objects(repo / ".dvc/cache") == everything
    assert f"removed {len(lost)} files" in python("gc", "--cache", "--force", cwd=repo).stdout
    assert objects(repo / ".dvc/cache") == everything - lost
    for name in ("main", "v1", "other"):
        sh("git", "checkout", "-q", "--force", name, cwd=repo)
        sh("dvc", "checkout", "--force", cwd=repo)


def test_the_remote_keeps_what_another_clone_has_pushed(machines: Machines) -> None:
    """The branch is on the git remote alone, and this clone has not seen it; results of jobs are removed with age."""
    other, here = machines.works, machines.asks
    sh("dvc", "pull", cwd=other)
    before = objects(machines.remote)
    sh("git", "checkout", "-q", "-b", "theirs", cwd=other)
    theirs = run_with(1, other)
    commit(other)
    sh("dvc", "push", cwd=other)
    sh("git", "push", "-q", "origin", "theirs", cwd=other)
    lost = run_with(2, other)
    sh("dvc", "push", cwd=other)
    (machines.remote / "pixelproof/ab/cd").mkdir(parents=True)
    (machines.remote / "pixelproof/ab/cd/result.json").write_text("{}")
    age(machines.remote)
    done = python("gc", "--remote", "--force", cwd=here)
    assert f"removed {len(lost) + 1} files" in done.stdout, done.stderr
    assert objects(machines.remote) == before | theirs
    assert not list(machines.remote.glob("pixelproof/*/*/*"))
    assert not sh("git", "for-each-ref", "refs/pixelproof-gc", cwd=here).stdout


@pytest.mark.parametrize(
    ("command", "option", "said"),
    [
        ("git remote set-url origin /nowhere", "--remote", "the git remote `origin`: cannot be read"),
        (
            "echo 'stages: [' > dvc.lock; git commit -qam x; git checkout -q HEAD~1",
            "--remote",
            "dvc.lock: cannot be read",
        ),
        ("dvc config cache.dir ../shared", "--cache", "DVC's cache: it is outside this clone"),
        ("dvc remote remove store -q", "--remote", "no remote"),
    ],
)
def test_where_it_cannot_be_told_nothing_is_removed(machines: Machines, command: str, option: str, said: str) -> None:
    age(machines.remote)
    before = objects(machines.remote)
    sh("sh", "-c", command, cwd=machines.asks)
    shutil.rmtree(machines.asks / ".dvc/tmp", ignore_errors=True)
    done = python("gc", option, "--force", cwd=machines.asks)
    assert done.returncode == 2 and said in done.stderr.lower().replace("dvc's cache", "DVC's cache"), done.stderr
    assert objects(machines.remote) == before
