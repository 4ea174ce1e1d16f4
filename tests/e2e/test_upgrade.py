"""A clone with its own data and settings takes the next version by the commands of docs/upgrade.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from commands._adding.add import Request, add
from tests.e2e.test_own_data import own_export
from tests.workspace import ROOT

RESULTS = ("dvc.lock", "metrics/", "tables/")
NAMES = ("-c", "user.name=t", "-c", "user.email=t@localhost")


def sh(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell."""
    command = command.replace("git commit", f"git {' '.join(NAMES)} commit")
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)


def commit(folder: Path, message: str) -> None:
    done = sh(folder, f"git add -A && git commit -q -m '{message}'")
    assert done.returncode == 0, done.stderr


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def run_results(folder: Path, digit: str) -> None:
    """Change the files of results everywhere, as a run with other data or code does."""
    for path in [folder / "dvc.lock", *(folder / "metrics").glob("*.json"), *(folder / "tables").glob("*.csv")]:
        path.write_text(re.sub(r"(md5: |0\.)[0-9a-f]", rf"\g<1>{digit}", path.read_text()))


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """This version, as a repository of its own."""
    folder = tmp_path / "upstream"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    assert sh(folder, "git init -q -b main").returncode == 0
    commit(folder, "A version")
    return folder


def commands(block: int) -> list[str]:
    """The lines of a block of shell in the page."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/upgrade.md").read_text(), re.DOTALL)
    return str(blocks[block]).splitlines()


def test_the_next_version_merges_into_own_data_and_settings(
    upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))
    assert sh(tmp_path, "git clone -q upstream ours").returncode == 0
    ours = tmp_path / "ours"
    add(Request([own_export(tmp_path / "yards.zip", 12)]), ours)
    replaced(ours / "params.yaml", "iterations: 900", "iterations: 4000")
    run_results(ours, "a")
    commit(ours, "Our yards")

    replaced(upstream / "params.yaml", "  ema: 0.0\n", "  ema: 0.0\n  new_setting: 3\n")
    replaced(upstream / "params.yaml", "val_interval: 180", "val_interval: 90")
    replaced(upstream / "stages/train/__init__.py", '"""', '"""Newer: ')
    run_results(upstream, "b")
    commit(upstream, "The next version")

    (remote,) = commands(0)
    fetch, merge = commands(1)
    solve, repro = commands(2)
    assert repro == "make repro"
    assert sh(ours, re.sub(r"https://\S+", str(upstream), remote)).returncode == 0
    assert sh(ours, fetch).returncode == 0
    assert sh(ours, merge).returncode == 1
    conflicts = sh(ours, "git diff --name-only --diff-filter=U").stdout.splitlines()
    assert conflicts and all(path.startswith(RESULTS) for path in conflicts), conflicts
    assert (done := sh(ours, solve)).returncode == 0, done.stderr

    assert sh(ours, "git status --short").stdout == ""
    params = yaml.safe_load((ours / "params.yaml").read_text())
    assert (params["train"]["iterations"], params["train"]["new_setting"], params["train"]["val_interval"]) == (
        4000,
        3,
        90,
    )
    assert params["cvat"]["exports"] == "data/annotations"
    yaml.safe_load((ours / "dvc.lock").read_text())
    checked = subprocess.run(
        [sys.executable, "-m", "commands", "params"], cwd=ours, capture_output=True, text=True, check=False
    )
    assert "train.new_setting: found an unknown key" in checked.stderr, "the settings' own check reads the merged file"
