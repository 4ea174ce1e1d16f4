"""`gc` with real DVC: what a removed network left goes where DVC can give it back, and only there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.pipelines.conftest import commit, python, runs, sh

LEFT = ["models/fcn/0", "results/fcn/0"]
SAID = f"removed leftovers: {', '.join(LEFT)}\n"


def replace(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


@pytest.fixture
def removed(repo: Path) -> Path:
    """The pipeline with two outputs per network below a seed, run, and then without the network `fcn`."""
    cmd = "train-${item.arch} models/${item.arch}"
    replace("dvc.yaml", cmd, f"{cmd}/0 results/${{item.arch}}/0/train results/${{item.arch}}/0/evaluate")
    outs = [
        f"{folder}/0{part}" for folder, part in (("models/X", ""), ("results/X", "/train"), ("results/X", "/evaluate"))
    ]
    replace("dvc.yaml", '"models/${item.arch}"', ", ".join(f'"{out.replace("X", "${item.arch}")}"' for out in outs))
    (repo / ".gitignore").write_text((repo / ".gitignore").read_text() + "/results/\n")
    shutil.rmtree("models")
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    replace("params.yaml", "[unet, fcn]", "[unet]")
    return repo


def age(folder: Path, hours: float) -> None:
    """Make a folder and all in it look as if it was last written to that long ago."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - 3600 * hours,) * 2)


def gc(*options: str) -> subprocess.CompletedProcess[str]:
    return python("gc", *options, cwd=Path.cwd())


def test_what_the_cache_holds_goes_and_comes_back(removed: Path) -> None:
    files = {path: path.read_bytes() for left in LEFT for path in Path(left).rglob("*.txt")}
    would = gc("--dry-run")
    assert would.returncode == 0 and would.stdout == SAID.replace("removed", "would remove")
    assert len(files) == 3 and all(path.exists() for path in files)
    done = gc()
    assert (done.returncode, done.stdout) == (0, SAID)
    assert not Path("models/fcn").exists() and not Path("results/fcn").exists()
    assert Path("models/unet/0/out.txt").exists() and Path("results/unet/0/train/out.txt").exists()
    assert gc().stdout == "nothing to remove\n"
    sh("git", "checkout", "-q", "params.yaml", cwd=removed)
    sh("dvc", "checkout", cwd=removed)
    assert {path: path.read_bytes() for path in files} == files


def test_a_record_in_any_commit_is_enough(removed: Path) -> None:
    sh("git", "checkout", "-q", "-b", "side", cwd=removed)
    commit(removed)
    sh("git", "checkout", "-q", "-b", "other", cwd=removed)
    Path("dvc.lock").unlink()
    sh("dvc", "repro", "train", cwd=removed)  # a lock that never heard of fcn
    assert "fcn" not in Path("dvc.lock").read_text()
    half = Path("results/fcn/0/.train.4999999.tmp")  # goes with the folder around it
    half.mkdir()
    age(half, 25)
    done = gc()
    assert (done.returncode, done.stdout) == (0, SAID.replace("\n", f", {half}\n"))


def test_what_dvc_could_not_give_back_is_kept(removed: Path) -> None:
    Path("models/fcn/0/out.txt").chmod(0o644)
    Path("models/fcn/0/out.txt").unlink()
    Path("models/fcn/0/out.txt").write_text("trained by hand")
    Path("results/fcn/0/notes.txt").write_text("mine")
    done = gc()
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""
    assert "models/fcn/0 (for models/fcn/0/out.txt), results/fcn/0 (for results/fcn/0/notes.txt): kept" in done.stderr
    assert Path("models/fcn/0/out.txt").read_text() == "trained by hand" and Path("results/fcn/0/train").exists()


def test_what_the_cache_lost_is_kept(removed: Path) -> None:
    for path in Path(".dvc/cache/files").rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"train-fcn"):
            path.unlink()
    done = gc()
    assert done.returncode == 2 and all(Path(left).exists() for left in LEFT)


def test_what_the_cache_holds_damaged_is_kept(removed: Path) -> None:
    for path in Path(".dvc/cache/files").rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"train-fcn"):
            path.chmod(0o644)
            path.write_bytes(b"")
            path.chmod(0o444)  # DVC believes a read-only object without looking
    done = gc()
    assert done.returncode == 2 and all(Path(left).exists() for left in LEFT)


@pytest.mark.parametrize("name", ["best.tmp", "notes.txt~"])
def test_what_dvc_ignores_is_kept(removed: Path, name: str) -> None:
    Path("models/fcn/0", name).write_text("mine")
    Path("results/fcn/0/.DS_Store").touch()
    done = gc()
    assert done.returncode == 2 and f"models/fcn/0 (for models/fcn/0/{name}): kept" in done.stderr
    assert Path("models/fcn/0", name).read_text() == "mine" and not Path("results/fcn/0").exists()


def test_a_link_is_kept_with_what_it_leads_to(removed: Path) -> None:
    shutil.move("models/fcn/0", "elsewhere")
    Path("models/fcn/0").symlink_to(Path("elsewhere").resolve())
    done = gc()
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert Path("models/fcn/0").is_symlink() and Path("elsewhere/out.txt").exists()


def test_what_no_commit_records_is_kept(removed: Path) -> None:
    sh("git", "checkout", "-q", "--orphan", "new", cwd=removed)
    Path("dvc.lock").unlink()
    commit(removed)
    for name in ("main", "HEAD@{1}"):
        sh("git", "branch", "-D", name, cwd=removed, check=False)
    assert gc().returncode == 2 and Path("models/fcn/0").exists()


def dead_process() -> str:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    return ended.stdout.strip()


def make(name: str, hours: float) -> Path:
    """A temporary folder with a file in it, last written to that long ago."""
    Path(name, "inner").mkdir(parents=True)
    Path(name, "inner/half.txt").touch()
    age(Path(name), hours)
    return Path(name)


def test_folders_of_killed_stages_go_and_those_at_work_stay(repo: Path) -> None:
    dead, alive = dead_process(), os.getpid()
    names = ["data/.cvat.{}.tmp", "data/.prepared.{}.tmp", ".metrics.{}.tmp", "models/gone/.0.{}.tmp"]
    names += ["results/gone/0/.evaluate.{}.tmp"]
    going = [make(name.format(dead), 25) for name in names]
    staying = [make(name.format(alive), 25) for name in names]
    staying += [make("data/.cvat.tmp", 25), make("data/.cvat.99999999999999999999.tmp", 25)]  # no process's number
    assert gc().returncode == 0
    assert not any(path.exists() for path in going)
    assert all((path / "inner/half.txt").exists() for path in staying)


def test_a_folder_that_somebody_may_be_writing_to_stays(repo: Path) -> None:
    """The process may be one of another container, which is not to be seen from here."""
    folder = make(f"data/.cvat.{dead_process()}.tmp", 25)
    age(folder / "inner/half.txt", 23)
    assert gc().stdout == "nothing to remove\n" and folder.exists()


def test_what_has_such_a_name_but_is_beside_no_output_stays(repo: Path) -> None:
    dead = dead_process()
    mine = [
        make(f"{name}.{dead}.tmp", 25) for name in (".notes", "data/.notes", ".data", "models/.notes", "models/a/.b")
    ]
    linked = Path(f"data/.cvat.{dead}.tmp")
    linked.symlink_to(mine[0].resolve())
    assert gc().stdout == "nothing to remove\n"
    assert all((path / "inner/half.txt").exists() for path in (*mine, linked))


@pytest.mark.parametrize("at", ["its lock", "a stage"])
def test_nothing_is_removed_while_dvc_is_at_work(removed: Path, at: str) -> None:
    if at == "its lock":
        program = "from dvc.repo import Repo\nimport time\nwith Repo().lock: open('ready', 'w'); time.sleep(600)"
        run = psutil.Popen([sys.executable, "-c", program], cwd=removed)
    else:
        Path("control").mkdir(exist_ok=True)
        Path("control/cvat").write_text("open('ready', 'w'); time.sleep(600)")
        Path("examples/export.xml").write_text("<changed/>")
        run = psutil.Popen(["dvc", "repro", "cvat"], cwd=removed, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if Path("ready").exists():
                break
            time.sleep(0.1)
        for options in ((), ("--dry-run",)):
            done = gc(*options)
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
            assert "DVC is at work here" in done.stderr and "try again" in done.stderr
        assert all(Path(left).exists() for left in LEFT)
    finally:
        for process in [*run.children(recursive=True), run]:
            process.kill()
        run.wait()
    assert gc().stdout == SAID  # though the list of DVC still names the killed process


def test_files_that_are_not_ours_stay(repo: Path) -> None:
    for name in (
        "results/data/0/train.json",
        "models/mine/best/weights",
        "results/notes.txt",
        "models/empty/0/.DS_Store",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("kept")
    replace(
        "dvc.yaml",
        "[data/prepared/train, data/prepared/test]",
        "[data/prepared/train, data/prepared/test, results/data]",
    )
    done = gc()
    assert done.returncode == 2 and done.stdout == ""
    named = "models/mine/best/weights, results/notes.txt: no stage has written it, and `report` refuses it"
    assert done.stderr.startswith(f"error: {named}")
    assert Path("models/mine/best/weights").read_text() == "kept"


def test_reproduce_clears_first(removed: Path) -> None:
    done = sh(sys.executable, "-m", "commands", "reproduce", cwd=removed)
    assert SAID in done.stdout and not Path("models/fcn").exists()
    assert runs(removed)[-1] == "report"
    sh("dvc", "status", cwd=removed)
