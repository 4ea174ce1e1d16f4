"""Check params.yaml, and print every setting with its help."""

from __future__ import annotations

import argparse
from pathlib import Path

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> None:
    """Check it and print it."""
    from commands._params import checked

    print(*checked(Path.cwd()), sep="\n")
