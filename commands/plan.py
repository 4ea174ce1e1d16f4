"""What would run, why, and how long it would take; runs nothing.

For each stage that `dvc repro` would not skip: what changed, and how long it last took on this machine. A stage `may
run` if another remakes its inputs: it is skipped if they come out as before. DVC restores results that it already has.
A stage `waits` for one that stops: it lacks an input, say. Times are those of one stage after another.
"""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stages, and in which form."""
    parser.add_argument("targets", nargs="*", help="stages (`train` is all of its matrix); default: all of dvc.yaml")
    parser.add_argument("--json", action="store_true", help="for programs: every stage, including those up to date")


def run(arguments: argparse.Namespace) -> None:
    """Plan; with params that `pixelproof params` refuses, nothing could run."""
    from commands._params import checked

    checked(Path.cwd())
    from pipelines.plan.planned import show

    show(arguments.targets, arguments.json)
