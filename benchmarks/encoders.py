"""Encoders that the points of a sweep begin with: trained by the pipeline on its own images, and kept in a commit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.edit import set_values
from pixelproof.core.params import read_yaml

KEPT = "pretrained/"


def encoders(sweep: Path) -> list[str]:
    """The architectures whose weights are to be kept before the sweep."""
    content = read_yaml(sweep)
    settings = [content.get("set", {}), *content["points"].values()]
    named = [str(each.get("train.pretrained", "")) for each in settings]
    return sorted({Path(name).stem for name in named if name.startswith(KEPT)})


def keep_encoder(clone: Path, environ: Mapping[str, str], arch: str, settings: Mapping[str, Any]) -> None:
    """Train a network of the pipeline as it is, but for some settings, and keep its weights in a commit."""
    if (clone / KEPT / f"{arch}.safetensors").exists():
        return
    params = clone / "params.yaml"
    before = params.read_text()
    params.write_text(set_values(before, {"architectures": [arch], **settings}))
    commands = ["bin/python", "-m", "dvc", "repro", f"train@{arch}-0"], ["bin/pixelproof", "promote", arch]
    for command in commands:
        subprocess.run(command, cwd=clone, env=environ, check=True, stdout=sys.stderr)
    params.write_text(before)
    git = ("git", "-c", "core.hooksPath=/dev/null")
    subprocess.run([*git, "add", "pretrained"], cwd=clone, check=True)
    subprocess.run([*git, "commit", "-qm", f"Keep {arch}", "--", "pretrained"], cwd=clone, check=True)
    subprocess.run([*git, "checkout", "-q", "dvc.lock"], cwd=clone, check=True)
