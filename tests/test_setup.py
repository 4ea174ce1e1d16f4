"""requirements.lock, the ranges in pyproject.toml, and the two scripts that set up and find the interpreter."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def locked() -> dict[str, str]:
    """`canonical name -> version` of requirements.lock."""
    pairs = (line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines())
    return {canonicalize_name(name): version for name, version in pairs}


def test_the_lock_holds_names_and_versions_only() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    odd = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert odd == []
    names = [line.split("==")[0].lower() for line in lines]
    assert names == sorted({canonicalize_name(name): name for name in names}.values())  # as pip freeze sorts, each once


def test_the_lock_satisfies_the_ranges_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = locked()
    for text in project["dependencies"] + project["optional-dependencies"]["dev"]:
        asked = Requirement(text)
        assert lock[canonicalize_name(asked.name)] in asked.specifier, text


def test_what_runs_here_is_what_the_lock_says() -> None:
    """What is installed: setuptools shows the copies inside it too, once another test has imported what needs them."""
    installed = distributions(path=[sysconfig.get_path("purelib")])
    found = {canonicalize_name(d.metadata["Name"]): d.version.partition("+")[0] for d in installed}
    assert {name: version for name, version in found.items() if name in locked()} == locked()


def test_both_builds_of_opencv_are_the_same_version() -> None:
    # Both install the folder cv2: if their versions differed, the one installed last would silently win.
    assert locked()["opencv-python"] == locked()["opencv-python-headless"]


def test_the_versions_that_stages_depend_on_are_the_locked_ones() -> None:
    versions = json.loads((ROOT / "pixelproof/core/versions.json").read_text())
    assert set(versions) >= {"torch", "onedl-mmengine", "onedl-mmcv", "onedl-mmsegmentation", "numpy"}
    assert versions == {name: locked()[name] for name in versions}


# --- bin/setup, with a fake Python that logs installations -----------------------------------------------------------

FAKE_PYTHON = """#!/bin/sh
case "$*" in
    *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python;;
    *"pip install"*) echo install >> log; [ ! -e offline ] || exit 1;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder whose path has a space, with what bin/setup needs, and a fake Python for its PATH."""
    folder = tmp_path / "a clone"
    (folder / "bin").mkdir(parents=True)
    for name in ("bin/setup", "bin/python", "bin/pixelproof", "bin/dvc"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.lock").write_text("one==1\n")
    (tmp_path / "path").mkdir()
    fake = tmp_path / "path/python3.11"
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    return folder


def call(folder: Path, script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script from another folder, with only the fake Python and the system's tools on PATH."""
    tools = folder.parent / "tools"
    if not tools.exists():
        tools.mkdir()
        for tool in ("sh", "cmp", "cp", "mv", "rm", "mkdir", "dirname", "echo", "date", "grep"):
            (tools / tool).symlink_to(shutil.which(tool) or tool)
    paths = f"{folder.parent / 'path'}:{tools}"
    environment = {"PATH": paths, "CDPATH": "/", **env}
    command = [str(folder / script), *arguments]
    return subprocess.run(command, env=environment, cwd=folder.parent, capture_output=True, text=True, check=False)


def installs(folder: Path) -> int:
    log = folder / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_set_up_installs_once_and_again_when_the_lock_changes(clone: Path) -> None:
    assert call(clone, "bin/setup").returncode == 0
    assert call(clone, "bin/setup").returncode == 0
    assert installs(clone) == 1
    os.utime(clone / "requirements.lock", (0, 0))  # only its contents matter, not its date
    assert call(clone, "bin/setup").returncode == 0
    assert installs(clone) == 1
    (clone / "requirements.lock").write_text("one==2\n")
    assert call(clone, "bin/setup").returncode == 0
    assert installs(clone) == 2


@pytest.mark.parametrize("works", [True, False])
def test_set_up_uses_uv_where_it_is_and_pip_where_uv_cannot(clone: Path, works: bool) -> None:
    """uv does not read pip's settings, such as a mirror's address."""
    uv = clone.parent / "path/uv"
    uv.write_text(f'#!/bin/sh\necho "uv $*" >> log\nexit {0 if works else 1}\n')
    uv.chmod(0o755)
    done = call(clone, "bin/setup")
    assert done.returncode == 0
    log = (clone / "log").read_text().splitlines()
    assert log == [
        "uv pip install --quiet --python .venv/bin/python -r requirements.lock",
        *(["install"] * (not works)),
    ]
    lines = done.stderr.splitlines()
    assert "installing the 1 packages of requirements.lock into .venv, with uv" in lines[0]
    assert re.fullmatch(r"setup: done in \d+ s", lines[-1])
    assert ("trying pip" in done.stderr) is not works
    assert call(clone, "bin/setup").stderr == "", "nothing is said where nothing is done"


@pytest.mark.parametrize("name", ["pixelproof", "dvc"])
def test_set_up_puts_the_front_doors_of_this_clone_beside_the_python(clone: Path, name: str) -> None:
    """Even if there is nothing to install."""
    door, theirs = clone / ".venv/bin" / name, clone / "bin" / name
    assert call(clone, "bin/setup").returncode == 0
    assert door.read_bytes() == theirs.read_bytes()
    theirs.write_text("#!/bin/sh\necho newer\n")
    assert call(clone, "bin/setup").returncode == 0
    assert call(clone, f".venv/bin/{name}").stdout == "newer\n"
    assert installs(clone) == 1
    assert sorted(path.name for path in door.parent.iterdir()) == ["dvc", "pixelproof", "python"]


def test_a_failed_set_up_is_taken_up_again(clone: Path) -> None:
    (clone / "offline").touch()
    assert call(clone, "bin/setup").returncode != 0
    (clone / "offline").unlink()
    assert call(clone, "bin/setup").returncode == 0
    assert installs(clone) == 2


def test_set_up_without_a_python_is_an_error_of_one_line(clone: Path) -> None:
    (clone.parent / "path/python3.11").unlink()
    result = call(clone, "bin/setup")
    assert result.returncode == 2
    assert result.stderr.startswith("error: no Python 3.11")
    assert result.stderr.count("\n") == 1
    assert not (clone / ".venv").exists()


def test_an_interpreter_of_somebody_else_s_is_left_alone_and_must_fit_the_lock(clone: Path) -> None:
    (clone.parent / "opt/bin").mkdir(parents=True)
    theirs = str(clone.parent / "opt/bin/python")
    assert call(clone, "bin/setup", PIXELPROOF_PYTHON=theirs).returncode == 0
    shutil.copy(clone / "requirements.lock", clone.parent / "opt/requirements.lock")
    assert call(clone, "bin/setup", PIXELPROOF_PYTHON=theirs).returncode == 0
    (clone / "requirements.lock").write_text("one==2\n")
    refused = call(clone, "bin/setup", PIXELPROOF_PYTHON=theirs)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "another requirements.lock" in refused.stderr
    assert installs(clone) == 0 and not (clone / ".venv").exists()


def test_the_interpreter_is_found_from_an_unactivated_shell(clone: Path) -> None:
    lost = call(clone, "bin/python", "-c", "")
    assert (lost.returncode, lost.stderr.count("\n")) == (2, 1)
    assert "make repro" in lost.stderr
    for folder in (clone.parent, clone):  # in the parent (of a worktree in a clone), then its own, which is nearer
        (folder / ".venv/bin").mkdir(parents=True)
        python = folder / ".venv/bin/python"
        python.write_text(f'#!/bin/sh\necho "{folder.name}: $*"\n')
        python.chmod(0o755)
        assert call(clone, "bin/python", "-m", "x y").stdout == f"{folder.name}: -m x y\n"
    assert call(clone, "bin/python", "said", PIXELPROOF_PYTHON=shutil.which("echo") or "").stdout == "said\n"


def test_a_user_id_without_a_name_gets_one_and_a_home(clone: Path) -> None:
    """As in a container: DVC asks for both, and ended in a traceback."""
    fake = clone.parent / "path/id"
    fake.write_text('#!/bin/sh\n[ "$1" = -u ] && echo 12345\n')
    fake.chmod(0o755)
    python = clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$USER $HOME"\n')
    python.chmod(0o755)
    nobody = {"USER": "", "LOGNAME": "", "HOME": ""}
    assert call(clone, "bin/python", "-c", "", **nobody).stdout == "user-12345 /\n"
    assert call(clone, "bin/python", "-c", "", **nobody | {"USER": "ann", "HOME": "/h"}).stdout == "ann /h\n"
