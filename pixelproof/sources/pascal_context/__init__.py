"""Pascal Context: every pixel of the 10103 photographs of VOC 2010's trainval, in 59 or 33 classes.

R. Mottaghi et al.: The role of context for object detection and semantic segmentation in the wild, CVPR, 2014. Masks
hold the numbers of 59_labels.txt and 33_labels.txt, from 1 on; 0 is every rarer one of the 459 labels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pixelproof.data.dataset import IGNORE, ClassInfo, Sample
from pixelproof.sources.labels import classes_of, read_ids, voc_palette
from pixelproof.sources.layout import listed, place, places
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "pascal_context"
OBJECTS = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
OF_59 = (
    "bag", "bed", "bench", "book", "building", "cabinet", "ceiling", "cloth", "computer", "cup", "door", "fence",
    "floor", "flower", "food", "grass", "ground", "keyboard", "light", "mountain", "mouse", "curtain", "platform",
    "sign", "plate", "road", "rock", "shelves", "sidewalk", "sky", "snow", "bedclothes", "track", "tree", "truck",
    "wall", "water", "window", "wood",
)  # fmt: skip
OF_33 = (
    "sky", "grass", "ground", "road", "building", "tree", "water", "mountain", "wall", "floor", "track", "keyboard",
    "ceiling",
)  # fmt: skip
SITE = "https://cs.stanford.edu/~roozbeh/pascal-context"
VOC = "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar"


def _classes(more: tuple[str, ...]) -> tuple[ClassInfo, ...]:
    names, colors = (*OBJECTS, *more), voc_palette(60)
    return tuple(ClassInfo(n, name, colors[n + 1], name in OBJECTS) for n, name in enumerate(names))


def _labels(count: str) -> Archive:
    name = f"{count}_context_labels"
    return Archive(name, f"{SITE}/{name}.tar.gz", 1_000_000_000, variants=(count,))


FACTS = Facts(
    name=NAME,
    licence="photographs: Flickr's terms of use; labels: none stated",
    classes=_classes(OF_59),
    url=f"{SITE}/",
    images=10_103,
    note=(
        "Train and val are VOC 2010's; the labels of its test split are not public: there is no test split, and val is "
        "what papers report. Rarer labels are ignored. Each image is a group."
    ),
    archives=(Archive("VOCtrainval_03-May-2010", VOC, 4_000_000_000), _labels("59"), _labels("33")),
    first="59",
    others={"33": _classes(OF_33)},
)


def convert(request: Request, target: Path) -> None:
    """Write train and val.

    Raises:
        DataError: A listed image or its mask is missing or wrong.
    """
    variant = FACTS.variant(request.variant)
    voc, labels = place(request.archive, "VOC2010"), _folder(request.archive, f"{variant}_context_labels")
    splits = {
        split: [
            (voc / f"JPEGImages/{name}.jpg", labels / f"{name}.png")
            for name in listed(voc / f"ImageSets/Main/{split}.txt")
        ]
        for split in ("train", "val")
    }
    header = FACTS.header(variant)
    table = {0: IGNORE} | {info.id + 1: info.id for info in header.classes}
    write_dataset(target, header, splits, partial(_read, table=table), request)


def _folder(root: Path | None, name: str) -> Path:
    """The folder of masks, which lies in one of its own name where archives are unpacked apart."""
    return place(root, name, name) if places(root, name, name) else place(root, name)


def _read(item: tuple[Path, Path], table: dict[int, int]) -> Labelled:
    path, labels = item
    image, height, width = photo(path)
    return Labelled(
        Sample(path.stem, path.stem, width, height, NAME), image, classes_of(labels, read_ids(labels), table)
    )
