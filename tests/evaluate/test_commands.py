"""The commands beside the evaluation: how they are found, and that no evaluation holds their code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from pipelines.dvc.deps import closure, entry, listed_code
from tests.workspace import ROOT, stages_of


def test_commands_are_listed_and_an_unknown_one_is_an_error(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command, env = [sys.executable, "-m", "stages.evaluate", *arguments], os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    text = run("--help").stdout
    for name in ("cost", "predict"):
        assert re.search(rf"^  {name} +\w", text, flags=re.MULTILINE)
        assert f"usage: python -m stages.evaluate {name}" in run(name, "--help").stdout
    unknown = run("pedict", "x.png")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert unknown.stderr == (
        "error: python -m stages.evaluate pedict: no such command; commands: cost, predict (did you mean 'predict'?)\n"
    )


def test_no_evaluation_depends_on_a_command() -> None:
    """Neither in dvc.yaml nor by an import: a change of one must evaluate nothing again."""
    stage = next(stage for name, stage in stages_of(ROOT).items() if name.startswith("evaluate@"))
    listed = listed_code(ROOT, stage)
    found = closure(ROOT, entry(stage.cmd), listed) | listed
    assert not [
        path
        for path in found
        if "/commands/" in path or path in ("pixelproof/core/machine.py", "pixelproof/core/table.py")
    ]
