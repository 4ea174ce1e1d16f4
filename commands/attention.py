"""Draw where a multi-scale network uses which scale.

Writes OUT/ID-scale-SCALE.png, in grey, for each image of the test set (or those whose ids are given) and each scale but
the largest: white pixels are taken from this scale, black ones from the next larger one.
"""

from __future__ import annotations

import argparse

from commands._catalogue import path_from

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which network, which images, and where the pictures go."""
    parser.add_argument("--arch", required=True, help="a trained architecture that predicts attention over scales")
    parser.add_argument("--seed", type=int, default=0, help="the seed it was trained with (default: 0)")
    parser.add_argument("--fold", type=int, help="of networks in folds: the one that did not learn from this fold")
    parser.add_argument("--out", type=path_from, help="the folder to write to (default: exports/attention/NAME-SEED)")
    parser.add_argument("ids", nargs="*", metavar="ID", help="ids of test images (default: all)")


def run(arguments: argparse.Namespace) -> None:
    """Write the pictures."""
    from commands._attention import attention
    from commands._trained import find_one

    attention(find_one(arguments.arch, arguments.seed, arguments.fold), arguments.ids, arguments.out)
