"""Masks, overlays and scores of any images, at their own sizes.

IMAGES are files, folders (with all that lie below) or patterns. They may have any size: an image is shown to the
network so that its short side is that of the images it learnt from (prepare.width and prepare.height), and its aspect
stays; --size says otherwise. Windows, test-time augmentation and overrides are those of `evaluate` in params.yaml.

OUT/masks/NAME.png     class ids, with the colours of the classes as palette (read it with Pillow, not as a photo)
OUT/overlays/NAME.jpg  the same colours over the image, half and half
OUT/scores.csv         the share of each class, and the mean certainty: the probability of the class that won

NAME is the path below the folder that all IMAGES share. All of it is written, or nothing.
"""

from __future__ import annotations

import argparse

from commands._catalogue import folder_from, path_from
from commands._shown import shown
from pixelproof.core.table import positive

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, which network, how it sees them, and where the masks go."""
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="files, folders or patterns")
    parser.add_argument("--arch", required=True, help="a trained architecture")
    parser.add_argument("--seed", type=int, default=0, help="the seed that it was trained from (default: 0)")
    parser.add_argument(
        "--out", required=True, type=path_from, help="a folder to write; a new one, or one of this command"
    )
    parser.add_argument("--size", type=shown, help="SHORT side in pixels, HEIGHTxWIDTH as prepare stretches, or `own`")
    parser.add_argument("--window", type=positive, help="predict by windows of this side (default: evaluate.window)")
    parser.add_argument("--stride", type=positive, help="from window to window (default: evaluate.stride, or half)")


def run(arguments: argparse.Namespace) -> None:
    """Predict and write."""
    from commands._images import find_images
    from commands._predict import Request, predict_all

    asked = Request(arguments.out, arguments.size, arguments.window, arguments.stride)
    predict_all(arguments.arch, arguments.seed, find_images(arguments.images, folder_from()), asked)
