"""The command line: what is parsed becomes the right call, and only `reproduce` pays for Prefect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from commands.__main__ import main
from pipelines.compare.compare import Options
from tests.pipelines.conftest import ROOT, python, sh


@pytest.mark.parametrize(
    ("argv", "function", "arguments"),
    [
        ("check", "pipelines.dvc.check.check", ("workspace",)),
        ("check topic", "pipelines.dvc.check.check", ("topic",)),
        ("deps", "pipelines.dvc.deps.deps", ()),
        ("verify", "pipelines.verify.verify.verify", ("HEAD", False, None)),
        ("verify v1 --cached --out x", "pipelines.verify.verify.verify", ("v1", True, Path("x"))),
        ("compare", "pipelines.compare.compare.compare", (None, "workspace", Options())),
        ("compare main topic --out x", "pipelines.compare.compare.compare", ("main", "topic", Options(Path("x")))),
        (
            "compare main --fail-on regression --cross-evaluate",
            "pipelines.compare.compare.compare",
            ("main", "workspace", Options(None, True, True)),
        ),
        ("reproduce", "pipelines.flows.reproduce.run", ([], 1)),
        ("reproduce --jobs 3 train@unet-0 report", "pipelines.flows.reproduce.run", (["train@unet-0", "report"], 3)),
        ("serve", "pipelines.flows.serve.serve", (4200,)),
        ("serve --port 5000", "pipelines.flows.serve.serve", (5000,)),
    ],
)
def test_arguments_become_calls(
    monkeypatch: pytest.MonkeyPatch, argv: str, function: str, arguments: tuple[Any, ...]
) -> None:
    calls: list[tuple[Any, ...]] = []

    def record(*given: Any) -> bool:
        calls.append(given)
        return True

    monkeypatch.setattr(function, record)
    main(argv.split())
    assert calls == [arguments]


def test_what_a_command_found_wrong_is_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.dvc.check.check", lambda name: False)
    with pytest.raises(SystemExit) as stop:
        main(["check"])
    assert stop.value.code == 1


def test_help_lists_every_command() -> None:
    lines = python("--help", cwd=ROOT).stdout.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("    ") and line[4:5].strip()}
    assert listed == {"reproduce", "serve", "check", "deps", "verify", "compare"}


@pytest.mark.parametrize("command", ["check", "verify workspace", "compare HEAD"])
def test_the_quick_commands_never_import_prefect(clone: Path, command: str) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['pipelines', *{command.split()!r}]\n"
        "runpy.run_module('pipelines', run_name='__main__')\n"
        "heavy = {'prefect', 'torch', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    sh(sys.executable, "-c", program, cwd=clone)
