"""Remove outputs of networks and seeds no longer in params.yaml.

Only what DVC can restore is removed from models/ and results/: a dvc.lock of this clone records it and the cache holds
it. Temporary folders that killed stages have left are removed too, a day after the last write. Nothing is removed while
DVC is at work here. `make repro` and `reproduce` do this first.
"""

from __future__ import annotations

import argparse

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to remove anything."""
    parser.add_argument("--dry-run", action="store_true", help="print what would be removed, and remove nothing")


def run(arguments: argparse.Namespace) -> None:
    """Remove leftovers."""
    from pipelines.dvc.graph import open_repo
    from pipelines.dvc.leftovers import clear

    with open_repo() as repo:
        if not clear(repo, arguments.dry_run):
            print("nothing to remove")
