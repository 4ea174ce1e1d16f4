"""The commands beside the training: how they are found, and that no training holds their code."""

from __future__ import annotations

import re
import subprocess
import sys

from pipelines.dvc.deps import closure, entry, listed_code
from tests.train.conftest import Workspace
from tests.workspace import ROOT, stages_of


def test_commands_are_listed_and_an_unknown_one_is_an_error(workspace: Workspace) -> None:
    root = workspace()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stages.train", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    text = run("--help").stdout
    for name in ("attention", "export", "info"):
        assert re.search(rf"^  {name} +\w", text, flags=re.MULTILINE)
        assert f"usage: python -m stages.train {name}" in run(name, "--help").stdout
    unknown = run("exprot", "--arch", "unet")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "no such command; commands: " in unknown.stderr and "did you mean 'export'?" in unknown.stderr
    missing = run("export", "--arch", "unet")
    assert missing.returncode == 2 and missing.stderr.startswith("error: models/unet/0/weights.safetensors: no such")


def test_no_training_depends_on_a_command() -> None:
    """Neither in dvc.yaml nor by an import: a change of one must retrain nothing."""
    stage = next(stage for name, stage in stages_of(ROOT).items() if name.startswith("train@"))
    listed = listed_code(ROOT, stage)
    assert not [path for path in closure(ROOT, entry(stage.cmd), listed) | listed if "/commands/" in path]
