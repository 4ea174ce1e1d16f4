"""Show what an augmentation policy does to your training images.

Writes a sheet with some images of data/prepared/train: image and mask, and both after the policy, twice. It trains
nothing, and changes no data; `train.crop` and `seed` are those of params.yaml.
"""

from __future__ import annotations

import argparse

from commands._catalogue import path_from

GROUP = "data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which policy, how many images, and where the sheet goes."""
    parser.add_argument(
        "--preview",
        required=True,
        metavar="POLICY",
        help="a policy's name, such as street, or where params.yaml has one: train.augment or augment.policy",
    )
    parser.add_argument("--images", type=int, default=6, help="how many, spread over the split (default: 6)")
    parser.add_argument(
        "--out",
        type=path_from,
        help="the sheet, a PNG that is not there, or that this command wrote (default: exports/augment/POLICY.png)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Draw the sheet."""
    from commands._augmented import preview

    preview(arguments.preview, arguments.images, arguments.out)
