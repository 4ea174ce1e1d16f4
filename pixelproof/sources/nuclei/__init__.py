"""Nuclei of cells under the microscope: 231 images of stage 1 of the Data Science Bowl 2018, one mask per nucleus.

J. C. Caicedo et al.: Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl, Nature Methods, 2019.
The masks are those that participants corrected. The publisher says of no image from which slide or experiment it comes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import UNSPLIT, ClassInfo, Sample
from pixelproof.sources.labels import read_ids
from pixelproof.sources.layout import places, visible
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "nuclei"
CLASSES = (ClassInfo(0, "background", (0, 0, 0)), ClassInfo(1, "nucleus", (220, 60, 120), thing=True))
FACTS = Facts(
    name=NAME,
    licence="CC0 1.0",
    classes=CLASSES,
    url="https://bbbc.broadinstitute.org/BBBC038",
    images=231,
    note=(
        "No split is published, nor which images are of one slide. Each image is a group of its own, so parts of one "
        "slide may stand on both sides of a split, and scores may be too good."
    ),
    archives=(
        Archive(
            name="dsb2018-231",
            url="",
            bytes=22_584_443,
            folder="stage1_train",
            digest="9cc7b3f9f65acf12155107ab04ac6d31cdc8ebfadd3bd9403960dd13d0ad276c",
            max_files=20_000,
            max_bytes=60_000_000,
            where="a part of stage1_train.zip, which its publisher's page offers",
        ),
    ),
)


def convert(request: Request, target: Path) -> None:
    """Write all images as one split: prepare divides them.

    Raises:
        DataError: A folder has not one image, or a nucleus's mask is not of its size or not black and white.
    """
    assert request.archive is not None  # because there is an archive
    folders = [path.parent for path in places(request.archive, "images")]
    if not folders:
        raise DataError(request.archive, "a folder `images` for each image", "none", "check the archive")
    write_dataset(target, FACTS.header(), {UNSPLIT: folders}, _read, request)


def _read(folder: Path) -> Labelled:
    images = visible(folder / "images", "*.png")
    if len(images) != 1:
        raise DataError(folder / "images", "one image", f"{len(images)}", "check the archive")
    image, height, width = photo(images[0])
    instances = np.zeros((height, width), np.uint16)
    for number, path in enumerate(visible(folder / "masks", "*.png"), start=1):
        nucleus = read_ids(path)
        if nucleus.shape != instances.shape or not np.isin(nucleus, (0, 255)).all():
            found = f"{nucleus.shape[1]}x{nucleus.shape[0]}, values {np.unique(nucleus)[:4].tolist()}"
            raise DataError(path, f"0 and 255 in {width}x{height} pixels", found, "check the archive")
        instances[(nucleus > 0) & (instances == 0)] = (
            number  # two masks of one image share 2 pixels: the first has them
        )
    mask = (instances > 0).astype(np.uint8)
    return Labelled(Sample(folder.name, folder.name, width, height, NAME), image, mask, instances)
