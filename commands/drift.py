"""Say whether images are like those that a network can be judged by.

IMAGES are compared with the val and test images, which the network did not learn from: in colour, contrast and
sharpness, in how certain it is, in the classes that it predicts, and in how far its encoder finds them from what it
learnt. No labels are needed, so this can be asked before predictions are believed. Images in one folder are one group,
such as a flight: one group is rarely enough to call images alike.

Exit codes: 0 alike, 1 something differs, 2 could not be done, 3 cannot tell.
"""

from __future__ import annotations

import argparse

from commands._catalogue import folder_from, path_from
from pixelproof.core.errors import ExitCode

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, and which network."""
    parser.add_argument(
        "images", nargs="+", metavar="IMAGES", help="files, folders or patterns; a folder for each group"
    )
    parser.add_argument("--arch", required=True, help="a trained architecture")
    parser.add_argument("--seed", type=int, default=0, help="the seed it was trained with (default: 0)")
    parser.add_argument("--out", type=path_from, metavar="FILE.json", help="also write the numbers there")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Compare."""
    from commands._drift import Request, drift

    return drift(Request(arguments.images, folder_from(), arguments.arch, arguments.seed, arguments.out))
