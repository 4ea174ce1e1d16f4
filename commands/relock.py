"""Update dvc.lock after edits of comments or formatting only.

Docstrings too. No stage runs. Refuses, and names file and line, if code, params, data or commands changed as well.
Commit dvc.lock with the change.
"""

from __future__ import annotations

import argparse

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> None:
    """Relock."""
    from pipelines.dvc.relock import relock

    relock()
