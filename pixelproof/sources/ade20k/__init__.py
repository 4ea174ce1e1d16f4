"""ADE20K's scene parsing: 22210 photographs of 150 classes, as the challenge of 2016 published them.

B. Zhou et al.: Scene parsing through ADE20K dataset, CVPR, 2017. Masks hold 0 for what is in no class, then 1 to 150.
"""

from __future__ import annotations

from pathlib import Path

from pixelproof.data.dataset import IGNORE, Sample
from pixelproof.sources.ade20k.classes import CLASSES
from pixelproof.sources.labels import classes_of, read_ids
from pixelproof.sources.layout import paired, place, visible
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "ade20k"
SPLITS = {"train": "training", "val": "validation"}
TABLE = {0: IGNORE} | {info.id + 1: info.id for info in CLASSES}
FACTS = Facts(
    name=NAME,
    licence="non-commercial research and education, by the publisher's own terms",
    classes=CLASSES,
    url="https://groups.csail.mit.edu/vision/datasets/ADE20K/terms/",
    images=22_210,
    note=(
        "Published splits; labels of the test split are not public: there is no test split, and val is what papers "
        "report. What is in none of the 150 classes is ignored. Each image is a group."
    ),
    archives=(
        Archive(
            name="ADEChallengeData2016",
            url="http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
            max_bytes=3_000_000_000,
        ),
    ),
    consent=True,
)


def convert(request: Request, target: Path) -> None:
    """Write training and validation.

    Raises:
        DataError: An image or a mask has no partner, or a mask holds another value than 0 to 150.
    """
    photos, labels = place(request.archive, "images"), place(request.archive, "annotations")
    splits = {
        split: paired(visible(photos / name, "*.jpg"), visible(labels / name, "*.png"))
        for split, name in SPLITS.items()
    }
    write_dataset(target, FACTS.header(), splits, _read, request)


def _read(item: tuple[Path, Path]) -> Labelled:
    path, labels = item
    image, height, width = photo(path)
    mask = classes_of(labels, read_ids(labels), TABLE)
    return Labelled(Sample(path.stem, path.stem, width, height, NAME), image, mask)
