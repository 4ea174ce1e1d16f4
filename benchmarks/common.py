"""What the benchmarks share: the project's folder, a table, and a sweep in a clone."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixelproof.core.machine import machine
from pixelproof.core.table import markdown_table

ROOT = Path(__file__).parent.parent


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under a title that says where it was measured."""
    print(f"# {title}\n\nMeasured on: {machine()}\n")
    print(*markdown_table(header, rows), sep="\n")


def swept(clone: Path, environ: Mapping[str, str], name: str, jobs: int) -> list[dict[str, str]]:
    """Run experiments/NAME.yaml of a clone, and read the rows of its table, which lies in the folder NAME there."""
    command = ["bin/pixelproof", "sweep", f"experiments/{name}.yaml", "--jobs", str(jobs), "--out", name]
    if code := subprocess.call(command, cwd=clone, env=environ, stdout=sys.stderr):
        sys.exit(f"error: the sweep of {name} ended with {code}")
    with (clone / name / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))
