"""Run the stages that are out of date, as a Prefect flow."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.errors import ExitCode

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which stages, and how many at once."""
    parser.add_argument("targets", nargs="*", help="stages (`train` means its whole matrix); default: all of dvc.yaml")
    parser.add_argument(
        "--jobs",
        type=_at_least_one,
        default=1,
        help="how many stages run in parallel; default 1, because one training already uses 2 threads and about "
        "1 GiB: use cores / 2 if memory (on a GPU, its memory) allows",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Wrong params are reported at once, not by a stage hours later."""
    from commands._params import checked
    from pipelines.flows.local import run

    checked(Path.cwd())
    return ExitCode.GOOD if run(arguments.targets, arguments.jobs) else ExitCode.NOT_DONE


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 up")
    return int(text)
