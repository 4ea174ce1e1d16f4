"""Pascal VOC 2007 and 2012: photographs with 20 classes and background, and their objects.

M. Everingham et al.: The Pascal Visual Object Classes (VOC) challenge, IJCV, 2010. Masks are palettes, whose indices
are the classes; 255 is the border of an object or difficult. `2012-sbd` trains on SBD too: B. Hariharan et al.:
Semantic contours from inverse detectors, ICCV, 2011; its labels are MATLAB files without borders.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, ClassInfo, Sample
from pixelproof.data.images import Array
from pixelproof.sources.labels import classes_of, ignored, numbered, read_ids, voc_palette
from pixelproof.sources.layout import CHECK, listed, place, places
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "voc"
NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
CLASSES = tuple(ClassInfo(n, name, voc_palette(21)[n], thing=n > 0) for n, name in enumerate(NAMES))
SITE = "http://host.robots.ox.ac.uk/pascal/VOC"
SBD = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz"
FACTS = Facts(
    name=NAME,
    licence="photographs: Flickr's terms of use; labels: none stated",
    classes=CLASSES,
    url=SITE,
    images=2913,
    note=(
        "Published splits. The labels of the test split of 2012 are not public: there is no test split, and val is "
        "what papers report. With SBD, train has the images of SBD that are not in val. Each image is a group."
    ),
    archives=(
        Archive("VOCtrainval_11-May-2012", f"{SITE}/voc2012/VOCtrainval_11-May-2012.tar", 4_000_000_000,
                variants=("2012", "2012-sbd")),
        Archive("VOCtrainval_06-Nov-2007", f"{SITE}/voc2007/VOCtrainval_06-Nov-2007.tar", 1_000_000_000,
                variants=("2007",)),
        Archive("VOCtest_06-Nov-2007", f"{SITE}/voc2007/VOCtest_06-Nov-2007.tar", 1_000_000_000, variants=("2007",)),
        Archive("benchmark", SBD, 4_000_000_000, folder="benchmark_RELEASE/dataset", variants=("2012-sbd",)),
    ),
    first="2012",
    others={"2012-sbd": CLASSES, "2007": CLASSES},
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One image and where its labels are."""

    image: Path
    classes: Path  # a PNG of VOC, or a .mat of SBD
    objects: Path


def convert(request: Request, target: Path) -> None:
    """Write the published splits.

    Raises:
        DataError: A listed image or its labels are missing or wrong.
    """
    variant = FACTS.variant(request.variant)
    year = variant[:4]
    splits = {split: _of_voc(request.archive, year, split) for split in ("train", "val")}
    if year == "2007":
        splits["test"] = _of_voc(request.archive, year, "test")
    if variant == "2012-sbd":
        taken = {item.image.stem for items in splits.values() for item in items}
        splits["train"] += [item for item in _of_sbd(request.archive) if item.image.stem not in taken]
    write_dataset(target, FACTS.header(variant), splits, _read, request)


def _of_voc(root: Path | None, year: str, split: str) -> list[Item]:
    """The images of a list. Trainval and test of 2007 are two archives with the same folders."""
    roots = [
        path.parents[2]
        for path in places(root, "ImageSets", "Segmentation", f"{split}.txt")
        if f"VOC{year}" in path.parts
    ]
    if len(roots) != 1:
        found = f"{len(roots)} of them" if roots else "none"
        raise DataError(Path(root or "."), f"one VOC{year}/ImageSets/Segmentation/{split}.txt in it", found, CHECK)
    voc = roots[0]
    return [
        Item(voc / f"JPEGImages/{n}.jpg", voc / f"SegmentationClass/{n}.png", voc / f"SegmentationObject/{n}.png")
        for n in listed(voc / f"ImageSets/Segmentation/{split}.txt")
    ]


def _of_sbd(root: Path | None) -> list[Item]:
    sbd = place(root, "cls").parent
    names = sorted({*listed(sbd / "train.txt"), *listed(sbd / "val.txt")})
    return [Item(sbd / f"img/{n}.jpg", sbd / f"cls/{n}.mat", sbd / f"inst/{n}.mat") for n in names]


def _read(item: Item) -> Labelled:
    image, height, width = photo(item.image)
    ids, objects = (
        _matlab(path, key) if path.suffix == ".mat" else read_ids(path)
        for path, key in ((item.classes, "GTcls"), (item.objects, "GTinst"))
    )
    mask = classes_of(item.classes, ids, ignored(len(CLASSES)))
    if objects.shape != mask.shape:
        raise DataError(item.objects, f"the size of {item.classes.name}", f"{objects.shape}", CHECK)
    things = np.where((mask == 0) | (mask == IGNORE), 0, objects)
    return Labelled(Sample(item.image.stem, item.image.stem, width, height, NAME), image, mask, numbered(things))


def _matlab(path: Path, key: str) -> Array:
    """The array `key.Segmentation` of a MATLAB file.

    Raises:
        DataError: The file is missing, damaged, or has no such array.
    """
    from scipy.io import loadmat

    if not path.is_file():
        raise DataError(path, "the labels of a listed image", "no such file", CHECK)
    try:
        array: Array = np.asarray(loadmat(path, squeeze_me=True, struct_as_record=False)[key].Segmentation)
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise DataError(path, f"{key}.Segmentation", f"{type(error).__name__}: {error}", CHECK) from None
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise DataError(path, "a mask of whole numbers", f"{array.shape} {array.dtype}", CHECK)
    return array
