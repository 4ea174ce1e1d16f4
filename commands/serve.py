"""Run Prefect's server, a worker and the schedule, on loopback."""

from __future__ import annotations

import argparse

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it listens."""
    parser.add_argument("--port", type=int, default=4200, help="the server's port on 127.0.0.1; default 4200")


def run(arguments: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    from pipelines.flows.serve import serve

    serve(arguments.port)
