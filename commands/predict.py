"""Predict masks, overlays and scores of images of any size.

IMAGES are files, folders (searched recursively; of a dataset, only its images/) or patterns. The network sees an image
scaled so that its short side is that of the training images, at its own aspect ratio, or scaled as `prepare.shape` says
(fit, crop); where that is `tile`, it sees the image at its own size, in windows as large as the tiles. --size says
otherwise. Masks and overlays have the image's own size. Sliding windows, test-time augmentation and overrides are those
of `evaluate` in params.yaml.

With --average several networks predict together, those of several architectures (`--arch unet,segnet`) or seeds
(`--seed 0,1,2`): their probabilities are averaged at each pixel. The networks of all folds always predict together.

OUT/masks/NAME.png         class ids, with the class colours as palette (read it with Pillow, not as a photo)
OUT/masks/NAME.tif         the same of a GeoTIFF, as a GeoTIFF where the image lies
OUT/overlays/NAME.jpg      the class colours blended with the image
OUT/polygons/NAME.geojson  with --geojson, of a GeoTIFF: the regions of each class, with area and mean certainty
OUT/instances/NAME.png     the number of each pixel's object (16 bits, 0 for none): of networks that learn objects, or
                           with --objects, where those that know classes alone have what `evaluate.objects.split` says
OUT/objects.json           the same objects in COCO's format, with scores, masks as run lengths, boxes and areas; the
                           overlays then have their outlines and numbers
OUT/cutouts/NAME.png       with --cut-out, the image's pixels of these classes, all else transparent, or with --onto,
                           another photo, scaled to cover the image and cropped around its middle
OUT/probabilities/NAME/    with --probabilities, ID-CLASS.png for each class: 255 times its probability
OUT/scores.csv             the share of each class, and the mean certainty (the probability of the predicted class)

NAME is the path below the folder common to all IMAGES. Either everything is written, or nothing.
"""

from __future__ import annotations

import argparse

from commands._arguments import positive
from commands._catalogue import folder_from, path_from
from commands._shown import shown

GROUP = "networks"


def names(text: str) -> tuple[str, ...]:
    """Architectures or classes, separated by commas."""
    found = tuple(text.split(","))
    if not all(found) or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected names, each once and separated by commas, found {text!r}")
    return found


def seeds(text: str) -> tuple[int, ...]:
    """Seeds, separated by commas."""
    found = text.split(",")
    if not all(map(str.isdecimal, found)) or len(set(map(int, found))) < len(found):
        raise argparse.ArgumentTypeError(f"expected seeds, each once and separated by commas, found {text!r}")
    return tuple(map(int, found))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, which network, how it sees them, and where the masks go."""
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="files, folders or patterns")
    parser.add_argument("--arch", required=True, type=names, help="a trained architecture; several with --average")
    parser.add_argument(
        "--seed", type=seeds, default=(0,), help="the seed it was trained with (default: 0), or several"
    )
    parser.add_argument("--average", action="store_true", help="several networks, whose probabilities are averaged")
    parser.add_argument(
        "--out", required=True, type=path_from, help="the folder to write: a new one, or one that predict wrote"
    )
    parser.add_argument("--size", type=shown, help="SHORT side in pixels, HEIGHTxWIDTH (stretched), or `own`")
    parser.add_argument("--window", type=positive, help="sliding windows of this side (default: evaluate.window)")
    parser.add_argument("--stride", type=positive, help="step between windows (default: evaluate.stride, or half)")
    parser.add_argument("--geojson", action="store_true", help="also write polygons of GeoTIFFs, as GeoJSON")
    parser.add_argument("--objects", action="store_true", help="also write objects, of any network with things")
    parser.add_argument("--cut-out", type=names, default=(), metavar="CLASSES", help="also cut these classes out")
    parser.add_argument("--onto", type=path_from, metavar="PHOTO", help="what --cut-out lays them over")
    parser.add_argument("--probabilities", action="store_true", help="also write the probability of each class")


def run(arguments: argparse.Namespace) -> None:
    """Predict and write."""
    from commands._images import find_images
    from commands._predict import Request, predict_all
    from pixelproof.core.errors import StateError

    more = {key: getattr(arguments, key) for key in ("geojson", "objects", "probabilities", "cut_out", "onto")}
    asked = Request(arguments.out, arguments.size, arguments.window, arguments.stride, **more)
    if len(arguments.arch) * len(arguments.seed) > 1 and not arguments.average:
        found = f"{len(arguments.arch)} architectures and {len(arguments.seed)} seeds"
        raise StateError("--arch and --seed", found, "name one of each, or add --average")
    predict_all(arguments.arch, arguments.seed, find_images(arguments.images, folder_from()), asked)
