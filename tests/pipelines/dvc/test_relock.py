"""`relock` with real DVC: edits of comments are taken in without a run or data, and nothing else is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from pipelines.dvc.docstrings import reader_in
from tests.pipelines.conftest import ROOT, commit, python, runs, sh

STAGES = ["cvat", "download", "prepare", "train@fcn", "train@unet"]  # those that read code/stage.py
LOCK, STAGE = Path("dvc.lock"), Path("code/stage.py")


def replace(path: str | Path, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def relock() -> subprocess.CompletedProcess[str]:
    return python("relock", cwd=Path.cwd())


def relocked() -> list[str]:
    """The stages that it says it relocked, once it went well and `check` agrees."""
    done = relock()
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "dvc.lock matches this tree: code, params and commands are those of the last run"
    return sorted(line.removeprefix("relocked ").split(":")[0] for line in lines if line.startswith("relocked "))


def refused() -> str:
    """What it says as it refuses and leaves dvc.lock as it is."""
    before = LOCK.read_bytes()
    done = relock()
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stdout + done.stderr
    assert done.stderr.startswith("error: dvc.lock: left unchanged") and LOCK.read_bytes() == before
    return done.stdout


def test_a_comment_is_taken_in_and_nothing_runs(repo: Path) -> None:
    before = yaml.safe_load(LOCK.read_text())["stages"]
    replace(STAGE, "import json", '"""What this does."""\n# why\nimport json')
    assert relocked() == STAGES
    after = yaml.safe_load(LOCK.read_text())["stages"]
    assert {name: stage["outs"] for name, stage in after.items()} == {n: stage["outs"] for n, stage in before.items()}
    assert "didn't change" in sh("dvc", "repro", cwd=repo).stdout and runs(repo) == []
    relocked_lock = LOCK.read_bytes()
    sh("dvc", "commit", "-f", cwd=repo)
    assert LOCK.read_bytes() == relocked_lock, "the form, and each hash and size, are what DVC itself writes"


def test_without_data_and_twice_before_a_commit(clone: Path) -> None:
    replace(STAGE, "import json", "# one\nimport json")
    assert relocked() == STAGES
    replace(STAGE, "# one", "# one and two")
    assert relocked() == STAGES
    assert not (clone / "data").exists()
    first = LOCK.read_bytes()
    assert relocked() == [] and LOCK.read_bytes() == first


def test_an_edit_that_was_committed_with_the_old_lock_is_taken_in_later(clone: Path) -> None:
    replace(STAGE, "import json", "# one\nimport json")
    commit(clone)
    replace(STAGE, "# one", "# two")
    commit(clone)
    assert relocked() == STAGES


def test_another_clone_restores_by_the_run_cache(repo: Path, tmp_path: Path) -> None:
    replace(STAGE, "import json", "# why\nimport json")
    relocked()
    commit(repo)
    sh("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"), cwd=repo)
    sh("dvc", "push", "--run-cache", cwd=repo)
    expected = LOCK.read_bytes()
    sh("git", "clone", "-q", str(repo), str(tmp_path / "other"), cwd=tmp_path)
    other = tmp_path / "other"
    sh("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"), cwd=other)
    sh("dvc", "fetch", "--run-cache", cwd=other)
    (other / "dvc.lock").unlink()
    sh("dvc", "repro", "--pull", "train", cwd=other)
    assert runs(other) == []
    kept = yaml.safe_load(expected)["stages"]
    assert yaml.safe_load((other / "dvc.lock").read_text())["stages"] == {name: kept[name] for name in STAGES}


def test_an_edit_of_a_docstring_is_refused_where_the_module_prints_it(repo: Path) -> None:
    Path("code/report.py").write_text('"""Old."""\nprint(__doc__)\n')
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    replace("code/report.py", "Old", "New")
    assert "code/report.py:1: code differs from" in refused()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import inspect, code.other\nprint(inspect.getdoc(code.other.f))\n", 2),
        ("from inspect import getdoc as text\n", 1),
        ("from code import other\nprint(\n    other.f.__doc__)\n", 3),
        ("def f(other): return getattr(other, '__doc__')\n", 1),
        ("from code.other import __doc__ as text\n", 1),
        ("def main(): ...\nfrom code.other import f as main\nprint(main.__doc__)\n", 3),
        ("class Section: model_config = ConfigDict(use_attribute_docstrings=True)\n", 1),
        ("def main(): 'Own.'\nprint(main.__doc__, __doc__)\nmain.__doc__ = '__doc__' in {}\n", None),
    ],
)
def test_docstrings_that_another_module_may_read_are_refused(repo: Path, source: str, line: int | None) -> None:
    """In each module of the stage: the reader is not the module whose docstring is edited."""
    Path("code/report.py").write_text(source)
    Path("code/other.py").write_text('def f() -> None:\n    """Old."""\n')
    replace("dvc.yaml", "[code/report.py, models]", "[code/report.py, code/other.py, models]")
    sh("dvc", "repro", "--force", "--single-item", "report", cwd=repo, check=False)
    sh("dvc", "commit", "--force", "report", cwd=repo)
    commit(repo)
    replace("code/other.py", "Old", "New")
    if line is None:
        assert relocked() == ["report"]
    else:
        assert f"code/report.py:{line}: may read docstrings of other modules" in refused()


def test_no_module_of_a_stage_reads_the_docstrings_of_others() -> None:
    """Otherwise `relock` would refuse whatever edits its stages saw."""
    files = [path for folder in ("pixelproof", "stages") for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in files if reader_in(path.read_bytes(), path.name)] == []


def test_a_file_or_a_folder_replaced_by_a_link_is_refused(package: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    Path("code/package/one.py").rename(tmp_path / "elsewhere/one.py")
    Path("code/package/one.py").symlink_to(tmp_path / "elsewhere/one.py")
    with Path("code/package/one.py").open("a") as file:
        file.write("# one\n")
    assert "code/package/one.py: a link, or in a linked folder" in refused()
    Path("code/package/one.py").unlink()
    (tmp_path / "elsewhere/one.py").rename("code/package/one.py")
    assert relocked() == ["report"]
    Path("code/package").rename(tmp_path / "package")
    Path("code/package").symlink_to(tmp_path / "package")
    replace("code/package/one.py", "# one", "# two")
    assert "code/package/deep/two.py: a link, or in a linked folder" in refused()


def test_without_a_commit_it_is_one_line(clone: Path) -> None:
    sh("git", "checkout", "-q", "--orphan", "empty", cwd=clone)
    replace(STAGE, "import json", "# why\nimport json")
    done = relock()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: relock: git has no commit here; commit the code and dvc.lock of a run first")
    (clone / ".git").rename(clone / "git")
    done = relock()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hello", "goodbye", "code/stage.py:4: code differs from {at} (read by download, cvat, prepare and 2 more)"),
        ("name, *outs", "# why\nname, *more", "code/stage.py:3: code differs from {at}"),
        ("control = ", "control: object = ", "code/stage.py:5: code differs from {at}"),
        ("name, *outs", "import os\nname, *outs", "code/stage.py:2: code differs from {at}"),
    ],
)  # fmt: skip
def test_a_change_of_code_is_refused_by_file_and_line(clone: Path, old: str, new: str, said: str) -> None:
    at = sh("git", "rev-parse", "HEAD", cwd=clone).stdout[:10]
    replace(STAGE, old, new)
    found = refused()
    assert any(line.startswith(said.format(at=at)) for line in found.splitlines()), found


def test_a_change_of_code_is_refused_though_it_was_committed(clone: Path) -> None:
    replace(STAGE, "hello", "goodbye")
    commit(clone)
    replace(STAGE, "import json", "# why\nimport json")
    assert "code/stage.py:5: code differs" in refused()


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("params.yaml", "lr: 0.1", "lr: 0.2", "params.yaml: train: modified since the run (read by train@unet"),
        ("dvc.yaml", "stage.py cvat", "stage.py  cvat", "cvat: its command has changed since the run"),
        ("metrics/unet.json", "0.5", "0.9", "metrics: modified since report wrote it"),
        ("examples/export.xml", "<a", "<!-- --><a", "examples/export.xml: changed since"),
    ],
)  # fmt: skip
def test_whatever_else_changed_is_refused(clone: Path, path: str, old: str, new: str, said: str) -> None:
    replace(path, old, new)
    replace(STAGE, "import json", "# why\nimport json")
    assert said in refused()


@pytest.fixture
def package(repo: Path) -> Path:
    """The pipeline with a folder of code as a dep of the report."""
    for name in ("one.py", "deep/two.py"):
        (repo / "code/package" / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / "code/package" / name).write_text("x = 1\n")
    replace("dvc.yaml", "[code/report.py, models]", "[code/package, code/report.py, models]")
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    return repo


def test_a_folder_of_code(package: Path) -> None:
    replace("code/package/deep/two.py", "x = 1", "x = (1)  # one")
    assert relocked() == ["report"]
    sh("dvc", "commit", "-f", "report", cwd=package)
    assert sh("git", "diff", "--numstat", "dvc.lock", cwd=package).stdout == "2\t2\tdvc.lock\n"
    replace("code/package/deep/two.py", "1)", "2)")
    assert "code/package/deep/two.py:1: code differs from" in refused()


@pytest.mark.parametrize("path", ["code/package/one.py", "code/report.py"])
def test_a_deleted_file_is_refused(package: Path, path: str) -> None:
    Path(path).unlink()
    assert f"{path}: deleted since" in refused()


def test_a_new_file_and_a_new_dep_are_refused(package: Path) -> None:
    Path("code/package/three.py").write_text("")
    assert "code/package/three.py: new since" in refused()
    Path("code/package/three.py").unlink()
    replace("dvc.yaml", "[code/package, code", "[code/package/one.py, code/stage.py, code")
    assert "code/stage.py: modified since the run (read by report)" in refused()


def test_what_no_commit_can_vouch_for_is_refused(repo: Path) -> None:
    replace(STAGE, "(name + ", "('other ' + name + ")
    sh("dvc", "repro", cwd=repo)
    replace(STAGE, "import json", "# why\nimport json")
    before = relock()
    assert "train@unet: no commit has both its last run and the code that this run read" in before.stdout
    assert "left unchanged: it is not committed" in before.stderr and "git restore dvc.lock" in before.stderr
    replace(STAGE, "# why\n", "")
    commit(repo)  # as it says: with the code that ran, without the later edit
    replace(STAGE, "import json", "# why\nimport json")
    assert relocked() == STAGES
    replace(STAGE, "'other '", "'another '")
    assert "code/stage.py" in refused()


def test_a_file_that_is_no_python_now_is_one_line(clone: Path) -> None:
    STAGE.write_text("import (\n")
    done = relock()
    assert done.returncode == 2 and done.stderr.startswith("error: code/stage.py:1: expected Python, found SyntaxError")
