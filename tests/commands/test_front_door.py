"""bin/pixelproof: which clone's code runs, and from where a person's paths are meant."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest

from commands._catalogue import FOLDERS, entries, listing
from pixelproof.core.errors import StateError
from pixelproof.fetch.obtain import CACHE, MIRROR

ROOT = Path(__file__).parents[2]
GROUND = ("pixelproof/__init__.py", "pixelproof/core/errors.py", "pixelproof/core/progress.py")
WHERE = '''"""Where it runs."""
import argparse
import os
from pathlib import Path
from commands._catalogue import folder_from, path_from
GROUP = "data"
def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=path_from)
def run(arguments: argparse.Namespace) -> None:
    print(Path.cwd(), arguments.path, folder_from())
    if arguments.path.name == "variables":
        print(os.environ["DATA_MIRROR"], os.environ["PIXELPROOF_CACHE"])
'''


HANGS = 'import time; print("importing", flush=True); time.sleep(60)\n'


def make_clone(folder: Path) -> Path:
    """The front door and one command of its own."""
    for name in ("bin/pixelproof", "bin/python", *GROUND):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "commands").mkdir()
    for name in ("__init__", "__main__", "_catalogue", "_parser", "_version"):
        shutil.copy(ROOT / f"commands/{name}.py", folder / "commands")
    (folder / "commands/where.py").write_text(WHERE)
    (folder / "photos/deep").mkdir(parents=True)
    return folder


def environment(cwd: Path, **more: str) -> dict[str, str]:
    """What a shell in some folder passes on, with output buffered, as Python does by itself."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    own = {"PIXELPROOF_PYTHON": sys.executable, "PWD": str(cwd), "CDPATH": "/", "PIXELPROOF_FROM": "/old"}
    return env | own | more


def call(door: Path, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Go through a front door from some folder, as a shell there would."""
    command, settings = [str(door), *arguments], environment(cwd, **env)
    return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_clone(tmp_path / "a clone")


def test_paths_are_meant_from_where_a_person_is(clone: Path) -> None:
    door = clone / "bin/pixelproof"
    assert call(door, "where", "x.png", cwd=clone).stdout == f"{clone} x.png .\n"
    below, beside = clone / "photos/deep", clone.parent
    for folder in (below, beside):
        assert call(door, "where", "x.png", cwd=folder).stdout == f"{clone} {folder}/x.png {folder}\n"
    assert call(door, "where", "/a/x.png", cwd=below).stdout == f"{clone} /a/x.png {below}\n"


def test_folders_of_variables_are_meant_from_there_too(clone: Path) -> None:
    """A sweep's stages run in worktrees: `DATA_MIRROR=../mirror` would be another folder there."""
    assert FOLDERS == (MIRROR, CACHE)
    door, below = clone / "bin/pixelproof", clone / "photos/deep"

    def named(mirror: str, cache: str, cwd: Path) -> str:
        done = call(door, "where", "variables", cwd=cwd, DATA_MIRROR=mirror, PIXELPROOF_CACHE=cache)
        return done.stdout.splitlines()[1]

    assert named("../mirror", "cache", clone) == f"{clone.parent}/mirror {clone}/cache"
    assert named("../mirror", "cache", below) == f"{clone}/photos/mirror {below}/cache"
    for kept in ("https://example.org/x", "file:///data/x", "/data/x", "~/x"):
        assert named(kept, kept, clone) == f"{kept} {kept}"


def test_a_copy_elsewhere_runs_the_nearest_clone(clone: Path, tmp_path: Path) -> None:
    """As bin/setup puts one into .venv/bin: from a clone within a clone (a worktree), the inner one's code runs."""
    copy = clone / ".venv/bin/pixelproof"
    copy.parent.mkdir(parents=True)
    shutil.copy(clone / "bin/pixelproof", copy)
    inner = make_clone(clone / "worktrees/topic")
    (clone / "photos/commands").mkdir()
    (clone / "photos/commands/__main__.py").touch()  # of somebody else's program: no clone of ours
    for place, expected in ((clone / "photos/deep", clone), (clone / "photos", clone), (inner / "photos", inner)):
        assert call(copy, "where", "x", cwd=place).stdout == f"{expected} {place}/x {place}\n"
    outside = call(copy, "where", "x", cwd=tmp_path)
    assert (outside.returncode, outside.stdout) == (2, "")
    assert outside.stderr == "error: no clone of pixelproof here or above; cd into one\n"


def test_a_link_elsewhere_runs_the_clone_it_leads_to(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "on path").mkdir()
    far, near = tmp_path / "on path/pixelproof", tmp_path / "on path/pp"
    far.symlink_to("../a clone/bin/pixelproof")
    near.symlink_to(far)
    for link in (far, near):
        assert call(link, "where", "x", cwd=tmp_path).stdout == f"{clone} {tmp_path}/x {tmp_path}\n"
    named = call(Path("pp"), "where", "x", cwd=tmp_path, PATH=f"{near.parent}:{os.environ['PATH']}")
    assert named.stdout == f"{clone} {tmp_path}/x {tmp_path}\n"


def test_without_any_tool_on_path_the_search_ends(clone: Path, tmp_path: Path) -> None:
    assert call(clone / "bin/pixelproof", "where", "x", cwd=clone, PATH="/nowhere").stdout == f"{clone} x .\n"
    lost = tmp_path / "pixelproof"
    shutil.copy(clone / "bin/pixelproof", lost)
    assert "no clone of pixelproof here" in call(lost, "where", "x", cwd=tmp_path, PATH="/nowhere").stderr
    bare = call(clone / "bin/python", "-c", "", cwd=tmp_path, PATH="/nowhere", PIXELPROOF_PYTHON="")
    assert (bare.returncode, bare.stderr[:37]) == (2, "error: no .venv in this clone and no ")


def test_help_is_asked_for_in_either_order(clone: Path) -> None:
    door = clone / "bin/pixelproof"
    assert call(door, "help", "where", cwd=clone).stdout == call(door, "where", "--help", cwd=clone).stdout != ""
    for same in (["help"], ["help", "--help"], []):
        assert call(door, *same, cwd=clone).stdout == call(door, "--help", cwd=clone).stdout != ""
    assert call(door, "help", "were", cwd=clone).stderr.endswith("(did you mean 'where'?)\n")


def test_the_version_names_the_commit_of_this_clone_only(clone: Path) -> None:
    def told() -> str:
        return call(clone / "bin/pixelproof", "--version", cwd=clone.parent).stdout

    def git(folder: Path, *arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    shutil.copy(ROOT / "pyproject.toml", clone)
    number = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    git(clone.parent, "init", "-q")  # somebody else's, around a copy
    git(clone.parent, "commit", "-q", "--allow-empty", "-m", "theirs")
    assert told() == f"pixelproof {number}\n"
    git(clone, "init", "-q")
    assert told() == f"pixelproof {number}\n"
    git(clone, "commit", "-q", "--allow-empty", "-m", "ours")
    assert told() == f"pixelproof {number} ({git(clone, 'rev-parse', '--short', 'HEAD')})\n"


CLOSED = "error: standard output: closed; redirect it to /dev/null if you do not want it\n"
FULL = "error: pixelproof {}: No space left on device; check that what it writes to has space left\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("arguments", "name"), [("where x", "where"), ("--help", "--help"), ("where --help", "where"), ("", "")]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_one_line(clone: Path, arguments: str, name: str, unbuffered: str) -> None:
    full = FULL.format(name).replace(" :", ":")
    for where, told in ((">&-", CLOSED), (">/dev/full", full), (">/dev/full 2>&1", ""), (">&- 2>&-", "")):
        line = f"bin/pixelproof {arguments} {where}"
        done = call(Path("/bin/sh"), "-c", line, cwd=clone, PYTHONUNBUFFERED=unbuffered)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", told), where


def test_with_standard_error_closed_what_it_prints_is_on_standard_output_alone(clone: Path) -> None:
    done = call(Path("/bin/sh"), "-c", "bin/pixelproof where x 2>&-", cwd=clone)
    assert (done.returncode, done.stdout) == (0, f"{clone} x .\n")
    assert call(Path("/bin/sh"), "-c", "bin/pixelproof here 2>&-", cwd=clone).stdout == ""


def test_ctrl_c_while_python_imports_ends_it_in_silence(clone: Path) -> None:
    errors = clone / "pixelproof/core/errors.py"
    errors.write_text(HANGS + errors.read_text().replace("from __future__ import annotations", ""))
    command = [str(clone / "bin/pixelproof"), "where", "x"]
    with subprocess.Popen(
        command,
        cwd=clone,
        env=environment(clone),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # in the background, shells ignore it
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert (process.wait(20), process.stderr.read()) == (-signal.SIGINT, "")  # 130 in a shell


@pytest.mark.parametrize("given", ["plan --no-such", "info", "info unet --scale huge", "check a b", "serve --port x"])
def test_a_mistake_in_arguments_is_one_line(given: str) -> None:
    done = call(ROOT / "bin/pixelproof", *given.split(), cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    name = given.split()[0]
    assert done.stderr.startswith(f"error: pixelproof {name}: ")
    assert done.stderr.endswith(f"; see `pixelproof {name} --help`\n")


def test_a_command_without_a_group_is_one_line(clone: Path) -> None:
    (clone / "commands/other.py").write_text('"""Something."""\nGROUPS = 1\n')
    for arguments in (["--help"], ["where", "x"]):
        done = call(clone / "bin/pixelproof", *arguments, cwd=clone)
        expected = "error: commands/other.py: no group; expected GROUP = one of data, run, networks, trust\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
    (clone / "commands/other.py").write_text('"""Something."""\nGROUP = "others"\n')
    with pytest.raises(StateError, match=r"^commands/other\.py: no group; expected GROUP"):
        entries(clone / "commands")


def test_the_list_of_all_fits_a_terminal() -> None:
    assert [line for line in listing(entries()).splitlines() if len(line) > 80] == []


def test_help_imports_nothing_heavy() -> None:
    """Of every command, one after another in one process: what they import is what all of them wait for."""
    program = """
import contextlib, io, sys
from commands.__main__ import main
from commands._catalogue import entries
for argv in [["--help"], *([entry.name, "--help"] for entry in entries())]:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main(argv)
heavy = {"numpy", "cv2", "torch", "mmengine", "pydantic", "ruamel", "yaml", "dvc", "prefect", "pandas", "httpx"}
print(sorted({name.split(".")[0] for name in sys.modules} & heavy))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
