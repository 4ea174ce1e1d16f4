"""Every command of README.md and docs/ runs: in a clone after its first run, in the order of the pages.

What a page says of a command is not tested here; that somebody can type it is. What would take long is listed with
the reason, and its arguments are parsed by the command itself.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from commands._catalogue import load
from commands._parser import Parser
from pixelproof.core.errors import ExitCode, StateError
from tests.e2e.test_own_data import own_export
from tests.workspace import ROOT, Run, Workspace

PAGES = ("README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")))
NO_COMMANDS = {"mermaid", "text", "yaml"}  # languages of blocks that nobody types

# What a reader would put in the place of a page's example.
INSTEAD = {
    "EXPORT.zip": "../export.zip",
    "init FOLDER": "init ../folder",
    "s3://bucket/path": "../store",
    "-S train.iterations=1800": "-S train.iterations=1800 configure && git reset -q --hard",  # a stage of seconds
}
# Not run here, where all together takes half a minute; but its arguments are parsed.
TAKES_LONG = {
    "bin/pixelproof reproduce --jobs 2": "starts a server of Prefect; tests/pipelines/flows/test_reproduce.py",
    "bin/pixelproof verify": "runs everything again; tests/pipelines/verify/test_rebuild.py",
    "bin/pixelproof verify v1.2 --cached": "makes a clone; tests/pipelines/verify/test_rebuild.py",
    "bin/pixelproof verify main --out proof": "runs everything again; tests/pipelines/verify/test_rebuild.py",
    "bin/pixelproof sweep experiments/lecture.yaml --jobs 2 --out lecture": "tests/pipelines/sweeps/test_run.py",
    "pixelproof sweep experiments/lecture.yaml": "tests/pipelines/sweeps/test_run.py",
    "bin/pixelproof sweep apply lecture unet": "tests/pipelines/sweeps/test_run.py",
    "bin/pixelproof init --propose": "measures; tests/commands/test_propose.py",
    "bin/pixelproof init EXPORT.zip --propose --minutes 60 --write": "measures; tests/commands/test_propose.py",
    "bin/pixelproof speed": "measures; tests/commands/test_speed.py",
    "bin/pixelproof cost": "measures; tests/commands/test_cost.py",
    "bin/pixelproof export --arch unet": "tests/commands/test_export.py",
    "bin/pixelproof info segformer-b0": "tests/commands/test_info.py",
    "bin/pixelproof attention --arch ocrnet-hr48-hms": "wants that network; tests/commands/test_attention.py",
    "bin/pixelproof predict photos --arch mask-rcnn-lite0-fpn --out out": "tests/commands/test_predict_objects.py",
    "bin/pixelproof predict photos --arch kmeans --out cut --cut-out roof": "tests/commands/test_cut_out.py",
    "bin/pixelproof augment --preview street": "tests/commands/test_augment.py",
    "bin/python benchmarks/portable.py": "measures",
    "bin/python benchmarks/portable.py --emulate Haswell EPYC-Rome": "measures, and needs qemu-user",
    "bin/python benchmarks/train.py": "measures",
    "bin/python benchmarks/lecture.py checkerboard": "writes into docs/; tests/pipelines/sweeps/test_lecture.py",
    "bin/python benchmarks/lecture.py upsampling": "writes into docs/; tests/pipelines/sweeps/test_lecture.py",
    "bin/python benchmarks/lecture.py regions": "writes into docs/; tests/pipelines/sweeps/test_lecture.py",
    "bin/python benchmarks/lecture.py boundaries --iterations 40": "trains; tests/pipelines/sweeps/test_lecture.py",
    "bin/python benchmarks/lecture.py cut-out": "trains; tests/pipelines/sweeps/test_lecture.py",
}
# Run by another test, or by none.
BACKUP = (
    """bin/python -c "import sqlite3; sqlite3.connect('.pixelproof/prefect/prefect.db')"""
    """.execute('VACUUM INTO ?', ['runs.db'])\""""
)
ELSEWHERE = {
    "bin/pixelproof cvat pull --project 12": "tests/commands/test_cvat_pull.py has the server",
    "bin/pixelproof cvat label --task 31 --arch unet --dry-run": "tests/commands/test_cvat_label.py has the server",
    "bin/pixelproof promote unet": "tests/commands/test_promote.py",
    "bin/pixelproof retrain --project 12 --max-hours 8": "tests/pipelines/retrain/test_retrain.py has the server",
    "bin/pixelproof drift incoming --arch unet": "wants new images; tests/commands/test_drift.py",
    "bin/pixelproof gc --cache": "tests/pipelines/dvc/test_garbage.py",
    "bin/pixelproof gc --remote": "wants a remote; tests/pipelines/dvc/test_garbage.py",
    "bin/pixelproof gc --remote --force": "wants a remote; tests/pipelines/dvc/test_garbage.py",
    BACKUP: "wants a server's database; tests/pipelines/flows/test_operate.py",
    "make repro": "tests/e2e/test_own_data.py",
    "bin/pixelproof work gpus": "does not end; tests/pipelines/flows/test_on.py runs it",
    "bin/pixelproof reproduce --on gpus": "tests/pipelines/flows/test_on.py has the server",
    "make serve": "does not end; tests/pipelines/flows/test_serve.py runs what it calls",
    "git remote add upstream https://example.org/pixelproof.git": "tests/e2e/test_upgrade.py",
    "git fetch upstream": "tests/e2e/test_upgrade.py",
    "git merge upstream/main": "tests/e2e/test_upgrade.py",
    "git checkout --ours dvc.lock metrics tables && git add dvc.lock metrics tables && git commit --no-edit": (
        "tests/e2e/test_upgrade.py"
    ),
}


class Line(NamedTuple):
    """A line of a block of shell; `begins` is whether it is the block's first."""

    place: str
    command: str
    begins: bool


def lines(page: str, text: str) -> Iterator[Line]:
    """What a page tells its reader to type."""
    language, begins = "", False
    for number, line in enumerate(text.splitlines(), 1):
        if fence := re.match(r"\s*```(.*)", line):
            language, begins = ("" if language else fence[1].strip() or "a block without a language"), True
        elif language and language not in NO_COMMANDS:
            assert language == "sh", f"{page}:{number}: {language}; commands are in blocks of `sh`"
            if command := re.split(r"\s#|^#", line)[0].strip():
                yield Line(f"{page}:{number}", command, begins)
                begins = False


TYPED = [line for page in PAGES for line in lines(page, (ROOT / page).read_text(encoding="utf-8"))]


@pytest.fixture
def clone(first_run: Run, tmp_path: Path) -> Workspace:
    """A clone on the branch `topic`: its first run is committed on `main` and tagged; with photos and an export."""
    copied = first_run.workspace.at(tmp_path / "a clone")
    names = {f"GIT_{role}_{what}": "t@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dvc = tmp_path / "path/dvc"
    dvc.parent.mkdir()
    dvc.write_text('#!/bin/sh\nexec bin/python -m dvc "$@"\n')  # forked, as all the rest
    dvc.chmod(0o755)
    path = f"{copied.folder / 'bin'}:{dvc.parent}:{Path(sys.executable).parent}:{copied.env['PATH']}"  # as activated
    made = Workspace(copied.folder, copied.env | names | {"PATH": path})
    made.run("sh", "-c", "git add -A && git commit -qm 'A run' && git tag v1.2 && git checkout -qb topic")
    own_export(tmp_path / "export.zip", 24)
    shutil.copytree(ROOT / "examples/folder", tmp_path / "folder")
    for name in ("photos/a.jpg", "more/of/b.jpg"):
        (made.folder / name).parent.mkdir(parents=True)
        cv2.imwrite(str(made.folder / name), np.full((64, 64, 3), 90, np.uint8))
    return made


def problem(clone: Workspace, command: str) -> str:
    """What went wrong when a command was typed; exit codes 1 and 3 of ours are answers."""
    for example, own in INSTEAD.items():
        command = command.replace(example, own)
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=clone.folder,
        env=clone.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    answers = {0, ExitCode.WORSE, ExitCode.CANNOT_TELL} if "pixelproof" in command.split()[0] else {0}
    return "" if done.returncode in answers else f"{command} ended with {done.returncode}:\n{done.stdout[-1500:]}"


def activated(command: str) -> str:
    """A command as it is typed in an activated environment."""
    return command.replace("bin/python -m dvc", "dvc").replace("bin/pixelproof", "pixelproof")


@pytest.mark.slow
@pytest.mark.promise
def test_every_command_runs(clone: Workspace) -> None:
    """Each once, by one of its names; a block begins with what is committed."""
    seen, problems = {activated(command) for command in (*TAKES_LONG, *ELSEWHERE)}, []
    for line in TYPED:
        if line.begins:
            clone.run("git", "reset", "-q", "--hard")
        if activated(line.command) not in seen and (found := problem(clone, line.command)):
            problems.append(f"{line.place}: {found}")
        seen.add(activated(line.command))
    assert not problems, "\n\n".join(problems)


def mistake(command: str) -> str:
    """What the command's own parser says of its arguments."""
    program, name, *arguments = shlex.split(command)
    if program == "bin/python":
        said = subprocess.run([sys.executable, name, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
        return ", ".join(a for a in arguments if a.startswith("--") and f"{a} " not in said.stdout)
    parser = Parser(prog=name)
    try:
        load(name).add_arguments(parser)
        parser.parse_args(arguments)
    except StateError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("command", TAKES_LONG)
def test_what_takes_long_is_at_least_understood(command: str) -> None:
    assert mistake(command) == ""


def test_no_reason_is_left_of_a_command_that_is_gone() -> None:
    assert {*TAKES_LONG, *ELSEWHERE} <= {line.command for line in TYPED}


def test_a_wrong_command_is_found() -> None:
    page = "Type\n```sh\n# first\nmake repro  # all\n\n  bin/pixelproof verify --cahced\n```\n```text\nnothing\n```\n"
    made, wrong = lines("page.md", page)
    assert made == ("page.md:4", "make repro", True)
    assert wrong == ("page.md:6", "bin/pixelproof verify --cahced", False)
    assert "--cahced" in mistake(wrong.command)
    assert "no such command" in mistake("bin/pixelproof verfiy")
    assert mistake("bin/python benchmarks/portable.py --emulat Haswell") == "--emulat"
    with pytest.raises(AssertionError, match=r"page.md:2: bash; commands are in blocks of `sh`"):
        list(lines("page.md", "```bash\nls\n```"))
