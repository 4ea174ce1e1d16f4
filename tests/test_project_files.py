"""Configuration files that only other programs read: what they refer to exists, and they have the intended effect."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def read_yaml(path: str) -> Any:
    """The contents of a YAML file of the repository."""
    return yaml.safe_load((ROOT / path).read_text())


def tracked() -> list[str]:
    """The files that git tracks or would add."""
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
    """Whether a pygrep hook rejects a text. Like pre-commit, search line by line or, if multiline, all at once."""
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


# --- Dockerfile ------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, with continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, " ".join(value.split())) for name, value in lines]


def given(name: str) -> list[str]:
    """The arguments of each instruction with this name."""
    return [value for found, value in instructions() if found == name]


def test_the_image_is_pinned_and_runs_make_repro_as_nobody_special() -> None:
    (base,) = given("FROM")
    assert re.fullmatch(r"python:3\.11-slim-[a-z]+", base)
    assert given("CMD") == ['["make", "repro"]']
    (user,) = given("USER")
    assert user != "0" and re.search(rf"useradd --create-home --uid {user} \w+ ", " ".join(given("RUN")))
    assert [name for name, _ in instructions()].index("USER") < [name for name, _ in instructions()].index("CMD")


def test_the_image_installs_from_the_lock_and_torch_for_cpus() -> None:
    (copied, *_) = given("COPY")
    source, lock = copied.split()
    assert source == "requirements.lock"
    installs = re.findall(r"pip install (.*?)(?= && |$)", " && ".join(given("RUN")))
    torch, everything = [shlex.split(install) for install in installs]
    assert torch[-3:] == ["--index-url", "https://download.pytorch.org/whl/cpu", f"$(grep '^torch==' {lock})"]
    assert "--no-deps" in torch
    assert everything == ["--no-cache-dir", "--requirement", lock]
    found = subprocess.run(["grep", "^torch==", ROOT / "requirements.lock"], capture_output=True, text=True).stdout
    assert re.fullmatch(r"torch==[0-9.]+\n", found), "the one line that the first installation is given"
    environment = dict(pair.split("=", 1) for pair in given("ENV")[0].split())
    assert environment["PIXELPROOF_PYTHON"] == str(Path(lock).parent / "bin/python"), "where bin/setup looks for a lock"


def test_the_image_takes_what_git_keeps_and_nothing_that_stages_write() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    left_out = [line for line in lines if line and not line.startswith("#")]

    def is_left_out(path: str) -> bool:
        return any(path == line or path.startswith(f"{line}/") for line in left_out)

    assert [path for path in tracked() if is_left_out(path)] == []
    assert not is_left_out(".git/HEAD")
    stages = read_yaml("dvc.yaml")["stages"].values()
    outs = [out for stage in stages for out in stage["outs"] if isinstance(out, str)]
    assert [out for out in outs if not is_left_out(out)] == []
    ours = [line[1:].rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/.")]
    assert {".venv", ".pixelproof"} <= set(ours) and [path for path in ours if not is_left_out(path)] == []


# --- .github ---------------------------------------------------------------------------------------------------------

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UPDATES = {update["package-ecosystem"]: update for update in read_yaml(".github/dependabot.yml")["updates"]}


def named(requirements: list[str]) -> dict[str, Requirement]:
    """`name -> requirement` for a list in pyproject.toml."""
    return {Requirement(text).name: Requirement(text) for text in requirements}


def test_no_update_is_proposed_of_what_computes_numbers() -> None:
    versions = [json.loads((ROOT / path).read_text()) for path in tracked() if path.endswith("/versions.json")]
    numbers = set[str]().union(*versions)
    assert len(versions) == 3 and "torch" in numbers
    ignored = {one["dependency-name"]: one.get("versions", []) for one in UPDATES["pip"]["ignore"]}
    # the two builds of OpenCV must have the same version
    assert {name for name, only in ignored.items() if not only} == numbers | {"opencv-python-headless"}
    limits = named(PROJECT["dependencies"])
    for name, (limit,) in ((name, only) for name, only in ignored.items() if only):
        assert f"<{limit.removeprefix('>=')}" in map(str, limits[name].specifier), name


def test_tools_are_proposed_apart_from_libraries() -> None:
    groups = UPDATES["pip"]["groups"]
    assert list(groups) == ["tools", "libraries"], "the first that matches takes it"

    def is_tool(name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in groups["tools"]["patterns"])

    tools, libraries = named(PROJECT["optional-dependencies"]["dev"]), named(PROJECT["dependencies"])
    assert [name for name in tools if not is_tool(name)] == []
    assert [name for name in libraries if is_tool(name)] == []


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (".gitlab-ci.yml", "  script:", "  scripts:"),
        (".github/dependabot.yml", "interval: monthly", "interval: sometimes"),
        (".github/ISSUE_TEMPLATE/config.yml", "enabled: true", "enabled: perhaps"),
        (".github/ISSUE_TEMPLATE/bug.yml", "type: textarea", "type: picture"),
        (".github/ISSUE_TEMPLATE/data.yml", "type: input", "type: upload"),
        (".github/ISSUE_TEMPLATE/feature.yml", "name: Something is missing", "title: Something is missing"),
        ("CITATION.cff", "authors:", "author:"),
    ],
)
def test_make_check_holds_a_file_against_its_schema(path: str, old: str, new: str, tmp_path: Path) -> None:
    """`make check` validates each file against a schema, which accepts the file and rejects it with a mistake in it."""
    dry = subprocess.run(["make", "-n", "check"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (command,) = [shlex.split(line) for line in dry.splitlines() if "check_jsonschema" in line and path in line]
    broken = tmp_path / Path(path).name
    text = (ROOT / path).read_text()
    assert old in text
    broken.write_text(text.replace(old, new))
    assert command[:4] == ["bin/python", "-m", "check_jsonschema", "--builtin-schema"]

    main = importlib.import_module("check_jsonschema").main

    def code(file: Path) -> int:
        return CliRunner().invoke(main, [*command[3:5], str(file)]).exit_code

    assert (code(ROOT / path), code(broken)) == (0, 1)


def test_the_citation_is_of_this_version_and_names_nobody() -> None:
    citation = read_yaml("CITATION.cff")
    assert (citation["title"], citation["version"]) == (PROJECT["name"], PROJECT["version"])
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == [{"name": "pixelproof contributors"}] and "doi" not in citation
    assert (ROOT / f"docs/releases/{PROJECT['version']}.md").is_file()
