"""Resolves the config of any architecture, including one that is not in params.yaml.

The stage `configure` is run, by its command in dvc.yaml, in a temporary folder with params that name only this
architecture.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipelines.processes import Command, run
from pixelproof.core.errors import PixelproofError
from pixelproof.core.params import read_yaml
from pixelproof.nn.build import read_config

ROOT = Path(__file__).parents[1]


def resolved(name: str, scale: str | None) -> dict[str, Any]:
    """The resolved config of an architecture, at this scale or, for None, at that of params.yaml."""
    graph, params = read_yaml(Path("dvc.yaml")), read_yaml(Path("params.yaml"))
    params["architectures"] = [name]
    if scale:
        params["train"]["scale"] = scale
    command = [sys.executable, *shlex.split(graph["stages"]["configure"]["cmd"])[1:]]  # bin/python finds this one
    with tempfile.TemporaryDirectory(prefix="pixelproof-") as work:
        folder = Path(work)
        (folder / "dvc.yaml").write_bytes(Path("dvc.yaml").read_bytes())
        (folder / "params.yaml").write_text(json.dumps(params))  # JSON is YAML too
        environment = os.environ | {"PYTHONPATH": os.fspath(ROOT.absolute())}
        code, lines = run(Command(command, folder, environment))
        if code:
            raise PixelproofError(lines[-1].removeprefix("error: ") if lines else f"configure ended with {code}")
        return read_config(folder / f"data/configs/{name}.json")
