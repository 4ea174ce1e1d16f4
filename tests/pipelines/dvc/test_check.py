"""`check` in a fresh clone without data: each single way of being stale is found and named, and nothing else is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.dvc.check import check
from tests.pipelines.conftest import commit, python, runs, sh


def replace(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_fresh_clone_of_a_reproduced_commit_is_not_stale(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not (clone / "data").exists()
    assert check()
    assert len(lines(capsys)) == 1
    assert sh("git", "status", "--porcelain", cwd=clone).stdout == ""


def test_a_changed_file_of_code_is_named_once_with_its_readers(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replace("code/stage.py", "hello", "goodbye")
    assert not check()
    found = lines(capsys)
    assert found[0] == "code/stage.py: modified since the run (read by download, cvat, prepare and 2 more)"
    assert len(found) == 2  # and the summary
    assert "1 thing" in found[1]


def test_a_file_is_named_once_with_all_that_read_it_or_its_folder(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace("dvc.yaml", "deps: [code/stage.py]", "deps: [code/stage.py, examples/export.xml]")
    sh("dvc", "repro", cwd=repo)
    clean = commit(repo)
    replace("examples/export.xml", "<a", "<b")
    Path("examples/new.xml").write_text("<annotations/>")
    said = [
        "examples/export.xml: modified since the run (read by download, cvat)",
        "examples/new.xml: new since the run (read by cvat)",
    ]
    changed = commit(repo)
    for name in ("workspace", changed):
        assert not check(name)
        assert lines(capsys)[:-1] == said
    sh("git", "checkout", "-q", "--orphan", "alone", cwd=repo)  # no commit has the tree of the last run
    commit(repo)
    assert not check()
    folder = "examples: modified since the run (read by cvat)"
    assert lines(capsys)[:-1] == ["examples/export.xml: modified since the run (read by download)", folder]
    assert check(clean)


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("params.yaml", "0.1,", "0.2,", "params.yaml: train: modified since the run (read by train@unet, train@fcn)"),
        ("examples/export.xml", "<a", "<b", "examples/export.xml: modified since the run (read by cvat)"),
        ("dvc.yaml", "stage.py cvat", "stage.py  cvat", "cvat: its command has changed since the run"),
        ("metrics/unet.json", "0.5", "0.9", "metrics: modified since report wrote it"),
        ("dvc.yaml", "[seed]", "[seed, train]", "params.yaml: train: new since the run (read by download)"),
        ("params.yaml", "unet, fcn", "unet, fcn, new", "train@new: not in dvc.lock"),
    ],
)  # fmt: skip
def test_one_stale_thing_is_one_line(
    clone: Path, capsys: pytest.CaptureFixture[str], path: str, old: str, new: str, said: str
) -> None:
    replace(path, old, new)
    assert not check()
    assert said in lines(capsys)


def test_a_dependency_in_another_version_than_its_stage_wrote_is_stale(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace("params.yaml", "seed: 0", "seed: 1")
    sh("dvc", "repro", "--single-item", "download", cwd=repo)
    commit(repo)
    assert runs(repo) == ["download"]
    assert not check()
    found = lines(capsys)
    assert (
        found[0] == "data/download: dvc.lock records a different version from the one its stage wrote; "
        "run again what reads it (read by prepare)"
    )
    assert len(found) == 2


def forge(stage: str, path: str, version: str) -> None:
    """Have dvc.lock record another version of what a stage read."""
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    next(dep for dep in lock["stages"][stage]["deps"] if dep["path"] == path)["md5"] = version
    Path("dvc.lock").write_text(yaml.safe_dump(lock))


def test_a_folder_of_outputs_in_another_version_than_stages_wrote_is_stale(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "models: dvc.lock records a different version from the one that stages wrote; run again what reads it"
    forge("report", "models", f"{'a' * 32}.dir")
    commit(repo)
    for name in ("workspace", "HEAD"):
        assert not check(name)
        assert lines(capsys)[0] == f"{said} (read by report)"
    shutil.rmtree(".dvc/cache")  # as in a fresh clone: the lock alone cannot tell
    assert check("HEAD")
    Path(".dvc/cache").touch()
    assert check("HEAD")


def test_a_part_of_an_output_in_another_version_than_its_stage_wrote_is_stale(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = "data/prepared/train/out.txt"
    replace("dvc.yaml", 'data/prepared/train]\n    outs: ["models', f'{part}]\n    outs: ["models')
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    assert check(), lines(capsys)
    capsys.readouterr()
    forge("train@fcn", part, "a" * 32)
    assert not check()
    said = f"{part}: dvc.lock records a different version from the one that stages wrote; run again what reads it"
    assert f"{said} (read by train@fcn)" in lines(capsys)


def test_a_file_that_no_stage_wrote_is_named(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/notes.txt").write_text("mine")
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    assert runs(repo) == ["report"]
    assert not check()
    said = "models: no stage wrote models/notes.txt, yet dvc.lock counts all of it as read"
    said = f"{said}; remove that, and run again what reads it"
    assert lines(capsys)[0] == f"{said} (read by report)"
    Path("models/notes.txt").unlink()
    assert not check(), "the lock still has it"
    sh("dvc", "repro", cwd=repo)
    assert check()


@pytest.mark.parametrize("left", [b"", b"{", b"[" * 100_000, b"[]", b'[{"md5": 1}]'])
def test_a_damaged_list_in_the_cache_is_one_line(repo: Path, left: bytes) -> None:
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    name = lock["stages"]["train@unet"]["outs"][0]["md5"]
    path = Path(".dvc/cache/files/md5", name[:2], name[2:])
    path.chmod(0o644)
    path.write_bytes(left)
    done = python("check", cwd=repo)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"the list of models/unet in DVC's cache ({name}): damaged" in done.stderr


def test_two_stages_that_read_a_part_of_an_output_in_two_versions_are_stale(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace("dvc.yaml", 'data/prepared/train]\n    outs: ["models', 'data/prepared/train/out.txt]\n    outs: ["models')
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    for stage, version in (("train@unet", "a" * 32), ("train@fcn", "b" * 32)):
        dep = next(dep for dep in lock["stages"][stage]["deps"] if dep["path"] == "data/prepared/train")
        dep |= {"path": "data/prepared/train/out.txt", "md5": version}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    assert not check()
    text = "data/prepared/train/out.txt: dvc.lock records different versions of it (read by train@unet, train@fcn)"
    assert text in lines(capsys)


def test_the_command_exits_1_when_stale_and_2_when_it_cannot_tell(clone: Path) -> None:
    replace("code/stage.py", "hello", "goodbye")
    assert python("check", cwd=clone).returncode == 1
    (clone / "dvc.yaml").write_text("stages: [")
    broken = python("check", cwd=clone)
    assert broken.returncode == 2
    assert broken.stderr.startswith("error: DVC: ")
    assert len(broken.stderr.splitlines()) == 1


def test_a_file_that_git_does_not_keep_is_named_until_it_is_added(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / ".git/info/exclude").write_text("*.bin\n")
    for name in ("note.txt", "ignored.bin", "draft.tmp"):
        (repo / "examples" / name).write_text("mine")
    (repo / ".dvcignore").write_text("*.tmp\n")
    sh("dvc", "repro", cwd=repo)  # takes them into dvc.lock, which is therefore not stale
    assert not check()
    remedy = "DVC hashes it but git does not track it; `git add` it (weights and data: `dvc add`) or remove it"
    wrong = "dvc.lock does not record all that runs read: 2 thing(s) above"
    assert lines(capsys) == [f"examples/ignored.bin: {remedy}", f"examples/note.txt: {remedy}", wrong]
    sh("git", "add", "-f", "examples/ignored.bin", "examples/note.txt", cwd=repo)
    assert check()
    sh("git", "add", "-f", "examples/draft.tmp", cwd=repo)
    assert not check()
    assert "examples/draft.tmp: git tracks it but DVC ignores it" in lines(capsys)[1]


def test_a_link_in_place_of_code_is_named(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """DVC hashes what it points to, which git does not keep: a colleague's clone has none of it."""
    outside = repo.parent / "stage.py"
    shutil.move(repo / "code/stage.py", outside)
    (repo / "code/stage.py").symlink_to(outside)
    sh("git", "add", "-A", cwd=repo)
    assert not check()
    assert lines(capsys)[0].startswith("code/stage.py: a link: git keeps where it points to")


def test_data_that_dvc_keeps_in_a_folder_of_gits_is_no_stray(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / "examples/large.bin").write_text("weights")
    sh("dvc", "add", "examples/large.bin", cwd=repo)
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    assert check(), lines(capsys)


def test_code_that_dvc_yaml_does_not_list_is_named(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"stages/fake/__main__.py": "import pixelproof.core.csp\n", "stages/spare.py": ""}.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)
    stage = "{cmd: python -m stages.fake, deps: [stages/fake, stages/spare.py], outs: [data/fake]}"
    replace("dvc.yaml", "stages:\n", f"stages:\n  fake: {stage}\n")
    commit(repo)
    assert not check()
    assert [line for line in lines(capsys) if line.startswith("dvc.yaml: ")] == [
        "dvc.yaml: fake: imports pixelproof/__init__.py, which its deps do not list",
        "dvc.yaml: fake: imports pixelproof/core/__init__.py, which its deps do not list",
        "dvc.yaml: fake: imports pixelproof/core/csp.py, which its deps do not list",
        "dvc.yaml: fake: deps list stages/spare.py, which it does not import",
    ]
