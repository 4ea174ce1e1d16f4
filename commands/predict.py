"""Predict masks, overlays and scores of images of any size.

IMAGES are files, folders (searched recursively; of a dataset, only its images/) or patterns. The network sees an image
scaled so that its short side is that of the training images, at its own aspect ratio, or scaled as `prepare.shape` says
(fit, crop); where that is `tile`, it sees the image at its own size, in windows as large as the tiles. --size says
otherwise. Masks and overlays have the image's own size. Sliding windows, test-time augmentation and overrides are those
of `evaluate` in params.yaml.

OUT/masks/NAME.png         class ids, with the class colours as palette (read it with Pillow, not as a photo)
OUT/masks/NAME.tif         the same of a GeoTIFF, as a GeoTIFF where the image lies
OUT/overlays/NAME.jpg      the class colours blended with the image
OUT/polygons/NAME.geojson  with --geojson, of a GeoTIFF: the regions of each class, with area and mean certainty
OUT/scores.csv             the share of each class, and the mean certainty (the probability of the predicted class)

NAME is the path below the folder common to all IMAGES. Either everything is written, or nothing.
"""

from __future__ import annotations

import argparse

from commands._arguments import positive
from commands._catalogue import folder_from, path_from
from commands._shown import shown

GROUP = "networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, which network, how it sees them, and where the masks go."""
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="files, folders or patterns")
    parser.add_argument("--arch", required=True, help="a trained architecture")
    parser.add_argument("--seed", type=int, default=0, help="the seed it was trained with (default: 0)")
    parser.add_argument(
        "--out", required=True, type=path_from, help="the folder to write: a new one, or one that predict wrote"
    )
    parser.add_argument("--size", type=shown, help="SHORT side in pixels, HEIGHTxWIDTH (stretched), or `own`")
    parser.add_argument("--window", type=positive, help="sliding windows of this side (default: evaluate.window)")
    parser.add_argument("--stride", type=positive, help="step between windows (default: evaluate.stride, or half)")
    parser.add_argument("--geojson", action="store_true", help="also write polygons of GeoTIFFs, as GeoJSON")


def run(arguments: argparse.Namespace) -> None:
    """Predict and write."""
    from commands._images import find_images
    from commands._predict import Request, predict_all

    asked = Request(arguments.out, arguments.size, arguments.window, arguments.stride, arguments.geojson)
    predict_all(arguments.arch, arguments.seed, find_images(arguments.images, folder_from()), asked)
