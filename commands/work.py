"""Let this machine run stages for `reproduce --on POOL`."""

from __future__ import annotations

import argparse

from commands._arguments import positive
from pixelproof.core.errors import ExitCode

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which pool, and how many at once."""
    parser.add_argument("pool", help="a work pool of Prefect's server, of the type `process`; made if it is new")
    parser.add_argument("--limit", type=positive, default=1, help="how many stages at once; default 1")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Until Ctrl-C."""
    from pipelines.flows.work import work

    work(arguments.pool, arguments.limit)
    return ExitCode.GOOD
