"""Import a CVAT export, and write params.yaml for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands._catalogue import path_from

GROUP = "data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which export."""
    parser.add_argument("export", type=path_from, help="a .zip ('CVAT for images 1.1', with images), or its folder")


def run(arguments: argparse.Namespace) -> None:
    """Import it, and print what was assumed."""
    from commands._init import init

    print(*init(arguments.export, Path.cwd()), sep="\n")
