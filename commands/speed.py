"""Find the fastest threads, precision, memory format and workers.

Times the training of one architecture, with the image and batch size of params.yaml: one setting at a time, the
others at the best found so far, so not every combination. It takes a minute or two with the default params, longer with
a slow network, and edits nothing.
"""

from __future__ import annotations

import argparse

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which network."""
    parser.add_argument("--arch", help="the architecture to time (default: the first of params.yaml)")


def run(arguments: argparse.Namespace) -> None:
    """Measure, and print a table and the params to set."""
    from commands._speed import speed

    speed(arguments.arch)
