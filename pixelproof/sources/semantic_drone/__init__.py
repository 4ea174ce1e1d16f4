"""Semantic Drone: 400 images of 24 megapixels, taken by a drone 5 to 30 m above houses and gardens, in 24 classes.

Institute of Computer Graphics and Vision, Graz University of Technology. Masks are RGB in the publisher's layout
(`training_set/gt/semantic/label_images`), and ids in the one on Kaggle (`label_images_semantic`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, UNSPLIT, ClassInfo, Header, Sample
from pixelproof.sources.labels import ID_MODES, classes_of, exact, pack, packed
from pixelproof.sources.layout import CHECK, paired, places, visible
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "semantic_drone"
COLORS = {  # in the order of the ids
    "unlabeled": (0, 0, 0), "paved-area": (128, 64, 128), "dirt": (130, 76, 0), "grass": (0, 102, 0),
    "gravel": (112, 103, 87), "water": (28, 42, 168), "rocks": (48, 41, 30), "pool": (0, 50, 89),
    "vegetation": (107, 142, 35), "roof": (70, 70, 70), "wall": (102, 102, 156), "window": (254, 228, 12),
    "door": (254, 148, 12), "fence": (190, 153, 153), "fence-pole": (153, 153, 153), "person": (255, 22, 96),
    "dog": (102, 51, 0), "car": (9, 143, 150), "bicycle": (119, 11, 32), "tree": (51, 51, 0),
    "bald-tree": (190, 250, 190), "ar-marker": (112, 150, 146), "obstacle": (2, 135, 115), "conflicting": (255, 0, 0),
}  # fmt: skip
THINGS = ("window", "door", "person", "dog", "car", "bicycle", "tree", "bald-tree", "ar-marker")
VOID = ("unlabeled", "conflicting")
LAYOUTS = {  # folders of images and of masks, below a common one
    ("training_set/images", "training_set/gt/semantic/label_images"),
    ("original_images", "label_images_semantic"),
}


def _classes(names: list[str]) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(n, name, COLORS[name], name in THINGS) for n, name in enumerate(names))


FACTS = Facts(
    name=NAME,
    licence="non-commercial research, by the publisher's own terms",
    classes=_classes(list(COLORS)),
    url="https://www.tugraz.at/index.php?id=22387",
    images=400,
    note=(
        "No split is published, nor which images are of one flight. Each image is a group of its own, so views of one "
        "garden may stand on both sides of a split, and scores may be too good. The 24 classes as published count what "
        "is unlabelled or conflicting; the variant 22-classes ignores both."
    ),
    archives=(
        Archive(
            name="semantic_drone_dataset_semantics_v1.1",
            url="",
            max_bytes=10_000_000_000,
            where="its publisher asks for a form; bulentsiyah/semantic-drone-dataset of Kaggle is read too",
        ),
    ),
    first="24-classes",
    others={"22-classes": _classes([name for name in COLORS if name not in VOID])},
    consent=True,
)


def convert(request: Request, target: Path) -> None:
    """Write all images as one split: prepare divides them.

    Raises:
        DataError: The archive has neither layout, or a mask is missing or wrong.
    """
    pairs = []
    for images, masks in sorted(LAYOUTS):
        for folder in places(request.archive, *images.split("/")):
            labels = Path(*folder.parts[: -len(Path(images).parts)]) / masks
            if labels.is_dir():
                photos = [*visible(folder, "*.jpg"), *visible(folder, "*.png")]
                pairs += paired(photos, visible(labels, "*.png"))
    if not pairs:
        expected = " or ".join(f"{images} beside {masks}" for images, masks in sorted(LAYOUTS))
        raise DataError(Path(request.archive or "."), expected, "neither", CHECK)
    header = FACTS.header(request.variant)
    write_dataset(target, header, {UNSPLIT: pairs}, partial(_read, header=header), request)


def _read(item: tuple[Path, Path], header: Header) -> Labelled:
    path, labels = item
    numbers = {info.name: info.id for info in header.classes}
    image, height, width = photo(path)
    mask = exact(labels)
    if mask.mode in ID_MODES:
        ids = classes_of(labels, np.asarray(mask), {n: numbers.get(name, IGNORE) for n, name in enumerate(COLORS)})
    else:
        table = {packed(color): numbers.get(name, IGNORE) for name, color in COLORS.items()}
        ids = classes_of(labels, pack(np.asarray(mask.convert("RGB"))), table, "#{:06X}")
    return Labelled(Sample(path.stem, path.stem, width, height, NAME), image, ids)
