"""Remove what networks and seeds no longer in params.yaml left behind.

In models/ and results/ only what DVC can give back is removed: a dvc.lock of this clone records it and the cache holds
it; also the folders of stages that were killed. `make repro` and `reproduce` do the same before they run.
"""

from __future__ import annotations

import argparse

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to look only."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def run(arguments: argparse.Namespace) -> None:
    """Clear."""
    from pipelines.dvc.graph import open_repo
    from pipelines.dvc.leftovers import clear

    with open_repo() as repo:
        if not clear(repo, arguments.dry_run):
            print("nothing is left over")
