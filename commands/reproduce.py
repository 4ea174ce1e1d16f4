"""Run the stages that are out of date, as a Prefect flow."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands._arguments import positive
from pixelproof.core.errors import ExitCode

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stages, and how many at once."""
    parser.add_argument("targets", nargs="*", help="stages (`train` means its whole matrix); default: all of dvc.yaml")
    parser.add_argument(
        "--jobs",
        type=positive,
        default=1,
        help="how many stages run in parallel; default 1, because one training already uses 2 threads and about "
        "1 GiB: use cores / 2 if memory (on a GPU, its memory) allows",
    )
    parser.add_argument(
        "--on",
        metavar="POOL",
        help="run stages on the machines of this work pool of Prefect's server, each started there by "
        "`bin/pixelproof work POOL`; they share DVC's remote and the git remote `origin`, and dvc.lock becomes what it "
        "would on one machine",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Wrong params are reported at once, not by a stage hours later."""
    from commands._params import checked
    from pipelines.flows.local import run

    checked(Path.cwd())
    return ExitCode.GOOD if run(arguments.targets, arguments.jobs, arguments.on) else ExitCode.NOT_DONE
