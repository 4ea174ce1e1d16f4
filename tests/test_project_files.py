"""The files around the code that only other programs read: what they name is there, and they do what they say."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent


def read_yaml(path: str) -> Any:
    """A file of the repository."""
    return yaml.safe_load((ROOT / path).read_text())


def tracked() -> list[str]:
    """The files that git keeps, or would."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


# --- .pre-commit-config.yaml -----------------------------------------------------------------------------------------

HOOKS = {hook["id"]: hook for repo in read_yaml(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]}
PROGRAMS = [name for name, hook in HOOKS.items() if hook["language"] == "system"]
PATTERNS = [name for name, hook in HOOKS.items() if hook["language"] == "pygrep"]


def test_hooks_install_nothing() -> None:
    assert {repo["repo"] for repo in read_yaml(".pre-commit-config.yaml")["repos"]} == {"local"}
    assert sorted(PROGRAMS + PATTERNS) == sorted(HOOKS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_hook_calls_is_there(name: str) -> None:
    program, *arguments = shlex.split(HOOKS[name]["entry"])
    assert shutil.which(ROOT / program if "/" in program else program)
    if program == "bin/python":
        assert arguments[0] == "-m" and importlib.util.find_spec(arguments[1])
    if program == "bin/pixelproof":
        assert (ROOT / "commands" / f"{arguments[0]}.py").is_file()


def refused(name: str, text: str) -> bool:
    """Whether a hook that searches by a pattern stops at a text: as pre-commit does, by lines or as a whole."""
    pattern, whole = HOOKS[name]["entry"], "--multiline" in HOOKS[name].get("args", [])
    if whole:
        return re.search(pattern, text, re.MULTILINE | re.DOTALL) is not None
    return any(re.search(pattern, line) for line in text.splitlines())


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("end-of-file", ["a", "a\n\n", "\n\n"], ["a\n", "a\n\nb\n", ""]),
        ("conflict-markers", ["<<<<<<< HEAD\n", "a\n>>>>>>> topic\n"], ["a <<<<<<< b\n", "=======\n", ">>>>>>>>\n"]),
    ],
)
def test_patterns_refuse_what_they_should(name: str, bad: list[str], good: list[str]) -> None:
    assert [refused(name, text) for text in bad] == [True] * len(bad)
    assert [refused(name, text) for text in good] == [False] * len(good)


@pytest.mark.parametrize("name", PATTERNS)
def test_this_tree_passes_the_patterns(name: str) -> None:
    left_out = HOOKS[name].get("exclude", "^$")
    files = [path for path in tracked() if not re.search(left_out, path)]
    texts = {path: (ROOT / path).read_bytes() for path in files}
    assert [path for path, raw in texts.items() if b"\0" not in raw and refused(name, raw.decode())] == []


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    small, large = tmp_path / "a small one", tmp_path / "a large one"
    small.write_bytes(bytes(1_000_000))
    large.write_bytes(bytes(1_000_001))
    command = shlex.split(HOOKS["large-files"]["entry"])
    assert subprocess.run([*command, small], capture_output=True).returncode == 0
    stopped = subprocess.run([*command, large, small], capture_output=True, text=True)
    assert (stopped.returncode, stopped.stdout) == (1, f"{large}\n")
    assert subprocess.run([*command, *(ROOT / path for path in tracked())], capture_output=True).returncode == 0
