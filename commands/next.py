"""Rank unlabelled images by how much they would teach a network.

IMAGES are files, folders or patterns, as for `predict`. An image counts for more the less certain the network is
(the mean of 1 - certainty over its pixels), the more it differs in colours and predicted classes from those that are
chosen before it, and the fewer of its group (the folder that it is in) are among these. What data/annotations has
already is left out.

OUT.csv    rank, image, group, uncertainty, share of unsure pixels (certainty below 0.5), why
OUT.html   a contact sheet
"""

from __future__ import annotations

import argparse
from pathlib import Path

from commands._arguments import positive
from commands._catalogue import folder_from, path_from
from commands._shown import shown

GROUP = "data"
OUT = Path("exports/next.csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, which network, and where the list goes."""
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="files, folders or patterns")
    parser.add_argument("--arch", required=True, help="a trained architecture")
    parser.add_argument("--seed", type=int, default=0, help="the seed it was trained with (default: 0)")
    parser.add_argument("--number", type=positive, default=50, help="the most images (default: 50)")
    parser.add_argument("--size", type=shown, help="as for predict")
    parser.add_argument("--out", type=path_from, default=OUT, help=f"the table to write (default: {OUT})")


def run(arguments: argparse.Namespace) -> None:
    """Rank and write."""
    from commands._images import find_images
    from commands._next import Request, rank_next

    asked = Request(arguments.arch, arguments.seed, arguments.size, arguments.number, arguments.out)
    rank_next(find_images(arguments.images, folder_from()), asked)
