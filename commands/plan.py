"""What would run, why, and how long that takes; nothing runs.

For each stage that `dvc repro` would not skip: what changed, and the time that it last took on this machine. A stage
`may run` where another makes what it reads: it is skipped where that comes out as it was. DVC restores what it has the
results of. Times are of one stage after another.
"""

from __future__ import annotations

import argparse

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stages, and in which form."""
    parser.add_argument("targets", nargs="*", help="stages (`train` is all of its matrix); default: all of dvc.yaml")
    parser.add_argument("--json", action="store_true", help="for programs: every stage, also those up to date")


def run(arguments: argparse.Namespace) -> None:
    """Plan."""
    from pipelines.dvc.planned import show

    show(arguments.targets, arguments.json)
