"""Show layers, parameters, FLOPs, strides and receptive fields.

The network need not be trained.
"""

from __future__ import annotations

import argparse

from commands._arguments import height_x_width, positive

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which network, and for which images."""
    parser.add_argument("name", help="any architecture of pixelproof/networks/architectures")
    parser.add_argument("--scale", choices=["small", "full"], help="default: train.scale of params.yaml")
    parser.add_argument("--size", type=height_x_width, metavar="HxW", help="image size; default: that of params.yaml")
    parser.add_argument("--classes", type=positive, help="how many; default: as in data/prepared, else Cityscapes' 19")


def run(arguments: argparse.Namespace) -> None:
    """Print the facts of one architecture."""
    from commands._info import info

    info(arguments.name, arguments.scale, arguments.size, arguments.classes)
