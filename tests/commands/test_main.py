"""The command line: what is parsed becomes the right call, and only `reproduce` pays for Prefect."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from commands.__main__ import main
from commands._catalogue import Group, entries
from pipelines.compare.compare import Options
from pipelines.dvc.deps import closure, entry
from pipelines.retrain.retrain import Request
from pixelproof.core.errors import ExitCode
from tests.pipelines.conftest import ROOT, python, sh
from tests.workspace import stages_of


@pytest.mark.parametrize(
    ("argv", "function", "arguments"),
    [
        ("check", "pipelines.dvc.check.check", ("workspace",)),
        ("check topic", "pipelines.dvc.check.check", ("topic",)),
        ("verify", "pipelines.verify.verify.verify", ("HEAD", False, None)),
        ("verify v1 --cached --out x", "pipelines.verify.verify.verify", ("v1", True, Path("x"))),
        ("compare", "pipelines.compare.compare.compare", (None, "workspace", Options())),
        ("compare main topic --out x", "pipelines.compare.compare.compare", ("main", "topic", Options(Path("x")))),
        (
            "compare main --fail-on regression --cross-evaluate",
            "pipelines.compare.compare.compare",
            ("main", "workspace", Options(None, True, True)),
        ),
        (
            "compare --allow-missing",
            "pipelines.compare.compare.compare",
            (None, "workspace", Options(allow_missing=True)),
        ),
        (
            "compare --require-evidence",
            "pipelines.compare.compare.compare",
            (None, "workspace", Options(require_evidence=True)),
        ),
        ("plan", "pipelines.plan.planned.show", ([], False)),
        ("plan train@unet-0 report --json", "pipelines.plan.planned.show", (["train@unet-0", "report"], True)),
        ("reproduce", "pipelines.flows.local.run", ([], 1, None)),
        ("reproduce --jobs 3 train@unet-0 report", "pipelines.flows.local.run", (["train@unet-0", "report"], 3, None)),
        ("reproduce --on gpus", "pipelines.flows.local.run", ([], 1, "gpus")),
        ("work gpus --limit 2", "pipelines.flows.work.work", ("gpus", 2)),
        ("retrain --project 5", "pipelines.retrain.retrain.told", (Request((5,)),)),
        (
            "retrain --task 7 --project 5 --task 8 --branch dev --max-hours 0.5 --jobs 2 --on gpus",
            "pipelines.retrain.retrain.told",
            (Request((5,), (7, 8), "dev", 0.5, 2, "gpus"),),
        ),
        ("serve", "pipelines.flows.serve.serve", (4200,)),
        ("serve --port 5000", "pipelines.flows.serve.serve", (5000,)),
    ],
)
def test_arguments_become_calls(
    monkeypatch: pytest.MonkeyPatch, argv: str, function: str, arguments: tuple[Any, ...]
) -> None:
    calls: list[tuple[Any, ...]] = []

    def record(*given: Any) -> ExitCode:
        calls.append(given)
        return ExitCode.GOOD

    monkeypatch.setattr(function, record)
    main(argv.split())
    assert calls == [arguments]


def test_a_path_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = python("compare", "HEAD", "HEAD", "--out", str(tmp_path / "file/out"), cwd=ROOT)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"error: {tmp_path}/file" in done.stderr


@pytest.mark.parametrize("more", ["a: &x [*x]", f"a: {'[' * 3000}{']' * 3000}"])
def test_params_without_end_are_one_line(clone: Path, more: str) -> None:
    with (clone / "params.yaml").open("a") as file:
        file.write(f"{more}\n")
    for command in ("params", "plan", "check", "reproduce", "gc", "relock"):
        done = python(command, cwd=clone)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert "params.yaml" in done.stderr


def wrong_value(params: Path) -> None:
    params.write_text(params.read_text().replace("alarm: 0.05", "alarm: 5"))


def unknown_key(params: Path) -> None:
    params.write_text(params.read_text() + "trian: {}\n")


def not_text(params: Path) -> None:
    params.write_bytes(params.read_bytes() + b"a: \xff\n")


def a_folder(params: Path) -> None:
    params.unlink()
    params.mkdir()


@pytest.mark.parametrize("make", [wrong_value, unknown_key, not_text, a_folder])
def test_where_params_are_wrong_nothing_is_planned_or_begun(clone: Path, make: Callable[[Path], None]) -> None:
    make(clone / "params.yaml")
    expected = python("params", cwd=clone)
    assert (expected.returncode, expected.stderr.count("\n")) == (2, 1)
    for command in ("plan", "plan --json report", "reproduce", "reproduce report"):
        done = python(*command.split(), cwd=clone)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", expected.stderr)


def test_a_fault_of_ours_is_not_taken_for_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr("pipelines.dvc.check.check", broken)
    assert main(["check"]) == ExitCode.NOT_DONE


def test_what_is_worse_is_1_and_what_could_not_be_done_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.dvc.check.check", lambda name: False)
    assert main(["check"]) == ExitCode.WORSE
    monkeypatch.setattr("pipelines.flows.local.run", lambda targets, jobs: False)  # a stage failed
    assert main(["reproduce"]) == ExitCode.NOT_DONE


def test_help_lists_every_command() -> None:
    lines = python("--help", cwd=ROOT).stdout.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("  ") and line[2:3].strip()}
    assert listed == {path.stem for path in (ROOT / "commands").glob("[!_]*.py")}
    assert [line for line in lines if line in get_args(Group)] == list(get_args(Group))


def test_an_unknown_command_is_one_line_with_the_nearest_name() -> None:
    unknown = python("exprot", "--arch", "unet", cwd=ROOT)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    expected = "error: pixelproof exprot: no such command; `pixelproof --help` lists them (did you mean 'export'?)\n"
    assert unknown.stderr == expected


@pytest.mark.parametrize("name", [entry.name for entry in entries()])
def test_every_command_says_what_it_takes(name: str) -> None:
    done = python(name, "--help", cwd=ROOT)
    assert done.stdout.startswith(f"usage: pixelproof {name} "), done.stderr


@pytest.mark.parametrize("stage", [path.parent.name for path in (ROOT / "stages").glob("*/__main__.py")])
def test_no_stage_depends_on_a_command(stage: str) -> None:
    """Neither in dvc.yaml nor by an import: a change of one must run nothing again."""
    made = next(made for name, made in stages_of(ROOT).items() if name.split("@")[0] == stage)
    found = closure(ROOT, entry(made.cmd)) | {dep.def_path for dep in made.deps}
    assert not [path for path in found if path.split("/")[0] == "commands"]


@pytest.mark.parametrize("command", ["check", "plan", "verify workspace", "compare HEAD"])
def test_the_quick_commands_never_import_prefect(repo: Path, command: str) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['pixelproof', *{command.split()!r}]\n"
        "runpy.run_module('commands', run_name='__main__')\n"
        "heavy = {'prefect', 'torch', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    sh(sys.executable, "-c", program, cwd=repo)
