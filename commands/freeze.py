"""List the test images, so that the test split stays as data grows.

Writes the list that `prepare.split.frozen` names, with digests of images and labels; commit it. `prepare` then refuses
a listed image that is missing or changed, and puts new groups into train and val only.
"""

from __future__ import annotations

import argparse

GROUP = "data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to replace the list, or to empty it."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--again", action="store_true", help="list the images that are still there, with their labels as they are now"
    )
    which.add_argument("--none", action="store_true", help="empty the list: test is drawn by name again, and grows")


def run(arguments: argparse.Namespace) -> None:
    """Write the list, and print how it changed."""
    from pathlib import Path

    from commands._freeze import freeze, thaw

    print(*(thaw(Path.cwd()) if arguments.none else freeze(Path.cwd(), arguments.again)), sep="\n")
