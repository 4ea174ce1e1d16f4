"""Check that dvc.lock matches this code and these params.

If it does, so do the committed metrics. Needs only what git tracks, no data. Where DVC's cache has the results, the
numbers in metrics/ are computed from these again.
"""

from __future__ import annotations

import argparse

from pixelproof.core.errors import ExitCode

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which revision."""
    parser.add_argument(
        "rev", nargs="?", default="workspace", help="a branch, tag or commit; default: the working tree"
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Check it."""
    from pipelines.dvc.check import check

    return ExitCode.GOOD if check(arguments.rev) else ExitCode.WORSE
