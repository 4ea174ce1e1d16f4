"""`verify REV`: a real repository is cloned and rebuilt by the real DVC, or restored from its cache."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.verify.verify import verify
from pixelproof.core.errors import ExitCode, PixelproofError, StateError
from tests.forked import PYTHON, programs
from tests.pipelines.conftest import commit, python, runs, sh

EXTRA = """\
  extra:
    cmd: python code/stage.py extra data/extra
    deps: [code/stage.py]
    outs: [data/extra]
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that must be empty after every test: no clone stays behind."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(autouse=True)
def forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rebuild asks DVC five things, and most of an answer is to import it."""
    monkeypatch.setattr(sys, "executable", str(programs(tmp_path / "programs")))


def change(arch: str, **test: float | None) -> None:
    """Set metrics of `test` by hand; None takes one away. dvc.lock is made to agree, so nothing but a run can tell."""
    path = Path(f"metrics/{arch}.json")
    content = json.loads(path.read_text())
    content["test"] = {key: value for key, value in (content["test"] | test).items() if value is not None}
    path.write_text(json.dumps(content))
    sh("dvc", "commit", "--quiet", "--force", "report", cwd=Path.cwd())


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert text.count(old) == 1
    Path(path).write_text(text.replace(old, new))


def certificate(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "certificate.json").read_text()))


def stages(content: dict[str, Any]) -> dict[str, list[str]]:
    return {stage["stage"]: stage["differs"] for stage in content["stages"]}


def test_a_commit_is_rebuilt_and_certified(repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = sh("git", "rev-parse", "HEAD", cwd=repo).stdout.strip()
    (repo / "notes.txt").write_text("not committed")
    assert verify("HEAD", False, tmp_path / "one") == ExitCode.GOOD
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "identical: 6 identical"
    assert f"this working tree is not clean (notes.txt): HEAD ({head[:10]}) is verified" in said.err
    assert [line.split()[-1] for line in said.err.splitlines() if line.startswith("[")] == [
        "download", "cvat", "prepare", "train@unet", "train@fcn", "report"
    ]  # fmt: skip
    assert runs(repo) == [], "nothing runs in the clone in which the command was given"

    content = certificate(tmp_path / "one")
    assert (content["commit"], content["mode"], content["verdict"]) == (head, "rebuilt", "identical")
    assert content["counts"]["identical"] == len(content["metrics"]) == 6
    assert all(stage["ran"] and stage["same"] for stage in content["stages"])
    assert [entry["path"] for entry in content["rests on"]["weights"]["files"]] == ["models/fcn", "models/unet"]
    text = (tmp_path / "one/certificate.json").read_text() + (tmp_path / "one/certificate.md").read_text()
    for secret in (str(tmp_path), socket.gethostname(), os.environ["HOME"], f"/{getpass.getuser()}/"):
        assert secret not in text

    assert verify(head, False, tmp_path / "two") == ExitCode.GOOD
    for name in ("certificate.json", "certificate.md"):
        one, two = ((tmp_path / folder / name).read_text().splitlines() for folder in ("one", "two"))
        other = [line for line, again in zip(one, two, strict=True) if line != again]
        assert all("made" in line for line in other) and len(other) <= 1


def test_a_metric_edited_by_hand_is_different(repo: Path) -> None:
    sh("git", "rm", "-r", "-q", "--cached", "examples", cwd=repo)
    sh("dvc", "add", "--quiet", "examples", cwd=repo)  # no stage makes it: it comes from the cache
    edit("dvc.lock", "stages:\n", "stages:\n  train@segnet:\n    cmd: of an architecture that is no longer asked for\n")
    change("unet", mIoU=0.9, pixel_accuracy=None)
    change("fcn", mIoU=0.515, f1=0.4)
    commit(repo)
    done = python("verify", cwd=repo)
    assert done.returncode == 1, done.stderr
    assert "# Metrics of " in done.stdout and ": different: 3 identical, 1 within tolerance, " in done.stdout
    for row in (
        "| `unet` | `test.mIoU` | `0.9` | `0.5` | 0.4 | **different** |",
        "| `unet` | `test.pixel_accuracy` | missing | `0.75` |  | **new** |",
        "| `fcn` | `test.f1` | `0.4` | missing |  | **missing** |",
        "| `fcn` | `test.mIoU` | `0.515` | `0.5` | 0.015 | **within tolerance** |",
        "| `fcn` | `val.mIoU` | `null` | `null` |  | identical |",
    ):
        assert row in done.stdout
    assert "| `report` | ran | **differs**: `output metrics` |" in done.stdout
    assert "segnet" not in done.stdout
    assert re.search(r"\| data \| `examples` \| `\w+\.dir` \| yes \|", done.stdout)


@pytest.mark.parametrize("cached", [False, True])
def test_a_table_of_classes_edited_by_hand_is_different(repo: Path, tmp_path: Path, cached: bool) -> None:
    write = '(folder / "per_class.csv").write_text("architecture,split,class,iou\\nunet,test,road,0.5\\n")'
    edit("code/stage.py", '    if name == "report":\n', f'    if name == "report":\n        {write}\n')
    (repo / ".dvcignore").write_text("/metrics/*.csv\n")
    sh("dvc", "repro", cwd=repo)
    sh("dvc", "repro", "--force", "--single-item", "report", cwd=repo)
    commit(repo)
    assert verify("HEAD", cached, tmp_path / "right") == ExitCode.GOOD
    assert certificate(tmp_path / "right")["counts"]["identical"] == 7
    edit("metrics/per_class.csv", "0.5", "0.9")
    commit(repo)
    assert verify("HEAD", cached, tmp_path / "wrong") == ExitCode.WORSE
    found = [row["metric"] for row in certificate(tmp_path / "wrong")["metrics"] if row["outcome"] == "different"]
    assert found == ["test.classes.road.iou"]


def test_a_lock_of_another_tree_is_named(repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit("params.yaml", "seed: 0", "seed: 1")
    change("fcn", mIoU=0.515)
    edit("dvc.yaml", "  report:\n", EXTRA + "  report:\n")
    commit(repo)
    stale = ["param seed", "stage not in the committed dvc.lock"]
    assert verify("HEAD", False, tmp_path / "rebuilt") == ExitCode.GOOD  # from the tree, to within the tolerance
    content = certificate(tmp_path / "rebuilt")
    assert (content["verdict"], content["stale"]) == ("within tolerance", stale)
    assert stages(content)["extra"] == ["stage not in the committed dvc.lock"]
    assert stages(content)["download"] == ["param seed", "output data/download"]
    assert stages(content)["report"] == ["input models", "output metrics"]

    assert verify("HEAD", True, tmp_path / "restored") == ExitCode.CANNOT_TELL  # what is stored is of the old seed
    content = certificate(tmp_path / "restored")
    assert (content["verdict"], content["stale"]) == ("stale", stale)
    assert "its metrics were not verified" in (tmp_path / "restored/certificate.md").read_text()


def test_a_commit_is_restored_from_the_cache_or_the_remote(repo: Path, tmp_path: Path) -> None:
    sh("dvc", "remote", "add", "--default", "--local", "shelf", str(tmp_path / "shelf"), cwd=repo)
    sh("dvc", "push", "--quiet", cwd=repo)
    (weights,) = (path for path in Path(".dvc/cache/files").rglob("*") if _holds(path, "train-unetseed: 0"))
    weights.unlink()
    assert verify("HEAD", True, tmp_path / "out") == ExitCode.GOOD
    content = certificate(tmp_path / "out")
    assert (content["mode"], content["verdict"]) == ("restored", "identical")
    assert [stage["stage"] for stage in content["stages"] if stage["ran"]] == ["report"]
    assert not weights.exists(), "the cache of this clone is read, not written"

    sh("dvc", "remote", "remove", "--local", "shelf", cwd=repo)
    with pytest.raises(StateError, match=r"it has no default remote: models/unet.*`git checkout \w+ && dvc pull`"):
        verify("HEAD", True, None)

    weights.write_text("other bytes under the same name")
    weights.chmod(0o444)  # as DVC leaves its files, and therefore trusts them
    with pytest.raises(StateError, match=r"models/unet .*bytes do not match dvc.lock"):
        verify("HEAD", True, None)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def test_what_cannot_be_done_is_said_before_anything_is_cloned(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="revision 'v9': git knows no such commit"):
        verify("v9", False, None)
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"--out .*: File exists"):
        verify("HEAD", False, tmp_path / "file")
    edit("params.yaml", "tolerance: 0.02", "tolerance: much")
    commit(repo)
    with pytest.raises(PixelproofError, match=r"pipelines\.tolerance: found 'much'"):
        verify("HEAD", False, None)
    sh("git", "rm", "-q", "-r", "metrics", cwd=repo)
    commit(repo)
    with pytest.raises(StateError, match=r"no metrics/\*\.json in it"):
        verify("HEAD", False, None)


def test_a_stage_that_fails_is_named(repo: Path) -> None:
    edit("code/stage.py", 'print(f"hello', 'if name == "train-unet": sys.exit("no such luck")\nprint(f"hello')
    commit(repo)
    done = python("verify", cwd=repo)
    assert done.returncode == 2
    *lines, last = done.stderr.splitlines()
    assert "no such luck" in lines and any("failed to reproduce 'train@unet'" in line for line in lines)
    assert last.startswith("error: train@unet at ") and "in a clean clone: no such luck; its output" in last
    assert done.stdout == ""


def test_a_stage_that_fails_before_it_runs_is_named_not_the_one_before_it(repo: Path) -> None:
    edit(
        "dvc.yaml", "deps: [code/stage.py, data/download, data/cvat]", "deps: [code/stage.py, data/cvat, code/gone.txt]"
    )
    commit(repo)
    done = python("verify", cwd=repo)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: prepare at ") and "code/gone.txt" in last


def test_a_stage_that_lacks_its_output_or_prints_as_dvc_does_is_named(repo: Path) -> None:
    edit(
        "code/stage.py",
        'print(f"hello',
        'if name == "train-unet": sys.exit(print("Running stage \'report\':"))\nprint(f"hello',
    )
    commit(repo)
    done = python("verify", cwd=repo)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: train@unet at ") and "output 'models/unet' does not exist" in last


def test_ctrl_c_leaves_nothing_behind(repo: Path, temporary: Path) -> None:
    edit("code/stage.py", 'print(f"hello', 'time.sleep(600 * (name == "prepare"))\nprint(f"hello')
    commit(repo)
    process = psutil.Popen([PYTHON, "-m", "commands", "verify"], cwd=repo, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if line.endswith("data/prepared/test\n"):  # the command of `prepare`, which has begun
                break
        time.sleep(0.5)
        family = process.children(recursive=True)
        assert len(family) >= 2 and list(temporary.iterdir())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read().splitlines()[-1] == "error: interrupted"
        _, left = psutil.wait_procs(family, timeout=10)
        assert not left
    finally:
        if process.is_running():
            process.kill()
