"""A tiny pipeline in its own git repository: real DVC, trivial stages, and this project's `pipelines` package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forked import run_forked
from tests.once import once

ROOT = Path(__file__).parents[2]

# The shape of the real graph: two sources, a matrix over architectures, a report that writes metrics kept in git.
DVC_YAML = """\
stages:
  download:
    cmd: python code/stage.py download data/download
    params: [seed]
    deps: [code/stage.py]
    outs: [data/download]
  cvat:
    cmd: python code/stage.py cvat data/cvat
    deps: [code/stage.py, examples]
    outs: [data/cvat]
  prepare:
    cmd: python code/stage.py prepare data/prepared/train data/prepared/test
    deps: [code/stage.py, data/download, data/cvat]
    outs: [data/prepared/train, data/prepared/test]
  train:
    matrix:
      arch: ${architectures}
    cmd: python code/stage.py train-${item.arch} models/${item.arch}
    params: [train]
    deps: [code/stage.py, data/prepared/train]
    outs: ["models/${item.arch}"]
  report:
    cmd: python code/stage.py report metrics
    params: [architectures]
    deps: [code/report.py, models]
    outs:
      - metrics:
          cache: false
"""
PARAMS_YAML = """\
seed: 0
architectures: [unet, fcn]
train: {lr: 0.1, steps: [1, 2]}
pipelines:
  tolerance: 0.02
  retries: {download: 1}
  retry_seconds: 0.1
  compare:
    {alpha: 0.05, objects: 0.01, gate: {metric: mIoU, alarm: 0.05}, metrics: {mIoU: {better: higher, tolerance: 0.005}}}
"""
# Writes its name into each output folder. Code in `control/<name>` is run first, to make the stage fail, hang or log.
STAGE_PY = """\
import json, pathlib, sys, time
name, *outs = sys.argv[1:]
pathlib.Path("runs.log").open("a").write(f"{time.time()} start {name}\\n")
print(f"hello from {name}")
control = pathlib.Path("control", name)
if control.exists():
    exec(control.read_text())
for out in outs:
    folder = pathlib.Path(out)
    folder.mkdir(parents=True)
    if name == "report":
        for arch in ("unet", "fcn"):
            metrics = {"test": {"mIoU": 0.5, "pixel_accuracy": 0.75}, "val": {"mIoU": None}}
            (folder / f"{arch}.json").write_text(json.dumps(metrics))
    else:
        (folder / "out.txt").write_text(name + pathlib.Path("params.yaml").read_text().splitlines()[0])
pathlib.Path("runs.log").open("a").write(f"{time.time()} end {name}\\n")
"""


def sh(*command: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder `cwd`; with `check`, it must succeed, or its output is shown."""
    if command[0] == "dvc":  # hundreds of times, and most of a short run is its imports
        done = run_forked(["-m", *command], cwd)
    else:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `bin/pixelproof ...` in the folder `cwd`, whatever its exit code."""
    return run_forked(["-m", "commands", *arguments], cwd)


def commit(repo: Path) -> str:
    """Commit everything; returns the hash of the commit."""
    sh("git", "add", "-A", cwd=repo)
    sh("git", "commit", "-q", "--allow-empty", "-m", "state", cwd=repo)
    return sh("git", "rev-parse", "HEAD", cwd=repo).stdout.strip()


def runs(repo: Path) -> list[str]:
    """The stages that really ran, in the order in which they started."""
    log = repo / "runs.log"
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [name for _, what, name in lines if what == "start"]


@pytest.fixture(scope="session", autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the settings of this machine's user from git, DVC and Prefect, and let stages run this `python`."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PREFECT_", "DVC_", "GIT_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("PREFECT_HOME", str(home / "prefect"))
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "tester")
            patch.setenv(f"GIT_{role}_EMAIL", "tester@localhost")
        yield


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny pipeline, reproduced once by `dvc repro` and committed; copied for each test."""
    return once(tmp_path_factory, "template", make_pipeline)


def make_pipeline(base: Path) -> Path:
    """The tiny pipeline in `base`, reproduced and committed."""
    repo = base / "repo"
    for folder in ("code", "examples", "control"):
        (repo / folder).mkdir(parents=True)
    (repo / "dvc.yaml").write_text(DVC_YAML)
    (repo / "params.yaml").write_text(PARAMS_YAML)
    (repo / "code/stage.py").write_text(STAGE_PY)
    (repo / "code/report.py").write_text("")
    (repo / "examples/export.xml").write_text("<annotations/>")
    (repo / ".gitignore").write_text("/data/\n/models/\n/control/\nruns.log\n__pycache__/\n/.pixelproof/\n")
    (repo / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text())
    shutil.copy(ROOT / "pyproject.toml", repo / "pyproject.toml")
    for package in ("bin", "commands", "pipelines", "pixelproof"):
        shutil.copytree(ROOT / package, repo / package, ignore=not_needed)
    sh("git", "init", "-q", "-b", "main", cwd=repo)
    sh("dvc", "init", "-q", cwd=repo)
    shutil.copy(ROOT / ".dvc/config", repo / ".dvc/config")
    sh("dvc", "repro", cwd=repo)
    commit(repo)
    (repo / "runs.log").unlink()
    return repo


def not_needed(folder: str, names: list[str]) -> set[str]:
    """Leave out the packages of pixelproof/ that pipelines do not import."""
    unused = {"networks", "nn", "sources"} if Path(folder).name == "pixelproof" else set[str]()
    return {"__pycache__", *unused} & set(names)


@pytest.fixture
def repo(reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the reproduced pipeline with its data, as the current folder."""
    copy = tmp_path / "repo"
    shutil.copytree(reproduced, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def clone(reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh clone of the reproduced pipeline: only the files in git, no data."""
    sh("git", "clone", "-q", str(reproduced), str(tmp_path / "clone"), cwd=tmp_path)
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


@pytest.fixture
def machines(reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two machines that share remotes alone; the current folder is the clone where runs are asked for."""
    from tests.pipelines.machines.two import two_machines

    made = two_machines(reproduced, tmp_path)
    monkeypatch.chdir(made.asks)
    return made
