"""Prefect's server, a worker and the schedule, on this machine alone."""

from __future__ import annotations

import argparse

from pixelproof.core.errors import ExitCode

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it listens."""
    parser.add_argument("--port", type=int, default=4200, help="the server's port on 127.0.0.1; default 4200")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Serve until Ctrl-C."""
    from pipelines.flows.serve import serve

    return ExitCode.GOOD if serve(arguments.port) else ExitCode.WORSE
