"""Take edits of comments and formatting into dvc.lock; nothing runs.

Docstrings too. Refuses where code, params, data or commands changed as well, and names file and line. Commit dvc.lock
with the change.
"""

from __future__ import annotations

import argparse

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There is nothing to say."""


def run(arguments: argparse.Namespace) -> None:
    """Relock."""
    from pipelines.dvc.relock import relock

    relock()
