"""Rebuild a commit in a clean clone and compare its metrics."""

from __future__ import annotations

import argparse

from commands._catalogue import path_from
from pixelproof.core.errors import ExitCode

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which revision, how, and where the certificate goes."""
    parser.add_argument(
        "revision",
        nargs="?",
        default="HEAD",
        metavar="REV",
        help="a branch, tag or commit, default HEAD; `workspace` only compares the metrics here with HEAD's",
    )
    parser.add_argument(
        "--cached",
        action="store_true",
        help="restore the outputs from DVC's cache or remote, and only recompute the metrics",
    )
    parser.add_argument(
        "--out",
        type=path_from,
        metavar="DIR",
        help="write DIR/certificate.json and .md instead of printing the Markdown",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Verify it."""
    from pipelines.verify.verify import verify

    return verify(arguments.revision, arguments.cached, arguments.out)
