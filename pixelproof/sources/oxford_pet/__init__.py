"""Oxford-IIIT Pet: 7349 photographs of cats and dogs of 37 breeds, with trimaps.

O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar: Cats and Dogs, CVPR, 2012. In a trimap 1 is the pet, 2 the
background and 3 not classified. The lists name image, breed (1 to 37), species (1 cat, 2 dog) and number in the breed.
"""

from __future__ import annotations

from pathlib import Path

from pixelproof.core.errors import DataError
from pixelproof.data.dataset import IGNORE, ClassInfo, Sample
from pixelproof.data.splitting import split_of
from pixelproof.sources.labels import classes_of, read_ids, voc_palette
from pixelproof.sources.layout import CHECK, listed, place
from pixelproof.sources.photos import photo
from pixelproof.sources.request import Archive, Facts, Request
from pixelproof.sources.writing import Labelled, write_dataset

NAME = "oxford_pet"
BREEDS = (
    "Abyssinian", "american_bulldog", "american_pit_bull_terrier", "basset_hound", "beagle", "Bengal", "Birman",
    "Bombay", "boxer", "British_Shorthair", "chihuahua", "Egyptian_Mau", "english_cocker_spaniel", "english_setter",
    "german_shorthaired", "great_pyrenees", "havanese", "japanese_chin", "keeshond", "leonberger", "Maine_Coon",
    "miniature_pinscher", "newfoundland", "Persian", "pomeranian", "pug", "Ragdoll", "Russian_Blue", "saint_bernard",
    "samoyed", "scottish_terrier", "shiba_inu", "Siamese", "Sphynx", "staffordshire_bull_terrier", "wheaten_terrier",
    "yorkshire_terrier",
)  # fmt: skip
PET, BACKGROUND, UNSURE = 1, 2, 3  # in a trimap
VAL = 0.2  # of the images that are published for training and validation together
COLORS = voc_palette(len(BREEDS) + 1)


def _classes(*names: str) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(n, name, COLORS[n], thing=n > 0) for n, name in enumerate(("background", *names)))


def _archive(name: str) -> Archive:
    return Archive(name, f"https://thor.robots.ox.ac.uk/~vgg/data/pets/{name}.tar.gz", 2_000_000_000, folder=name)


FACTS = Facts(
    name=NAME,
    licence="CC BY-SA 4.0",
    classes=_classes("pet"),
    url="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    images=7349,
    note=(
        "The published test split is kept. What is published for training and validation together is divided by the "
        "names of the images, a fifth for validation. Each image is a group; its id begins with the breed."
    ),
    archives=(_archive("images"), _archive("annotations")),
    others={"species": _classes("cat", "dog"), "breeds": _classes(*BREEDS)},
    first="pets",
)


def convert(request: Request, target: Path) -> None:
    """Write the images that the lists name; the archive has some more, which have no place in a split.

    Raises:
        DataError: A listed image, its trimap or a list is missing or wrong.
    """
    lists, photos = place(request.archive, "trainval.txt").parent, place(request.archive, "images")
    splits: dict[str, list[tuple[Path, Path, int]]] = {"train": [], "val": [], "test": []}
    for name in ("trainval", "test"):
        for image, number in _numbers(lists / f"{name}.txt", FACTS.variant(request.variant)).items():
            split = "test" if name == "test" else split_of(image, VAL, 0, 0)
            splits[split].append((photos / f"{image}.jpg", lists / "trimaps" / f"{image}.png", number))
    write_dataset(target, FACTS.header(request.variant), splits, _read, request)


def _numbers(path: Path, variant: str) -> dict[str, int]:
    """The class of each image in a list."""
    listed(path)
    numbers = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 4 or words[1] not in map(str, range(1, 38)) or words[2] not in ("1", "2"):
            raise DataError(path, "lines of image, breed (1 to 37), species (1 or 2) and number", repr(line), CHECK)
        numbers[words[0]] = {"pets": 1, "species": int(words[2]), "breeds": int(words[1])}[variant]
    return numbers


def _read(item: tuple[Path, Path, int]) -> Labelled:
    path, trimap, number = item
    image, height, width = photo(path)
    mask = classes_of(trimap, read_ids(trimap), {PET: number, BACKGROUND: 0, UNSURE: IGNORE})
    return Labelled(Sample(path.stem, path.stem, width, height, NAME), image, mask)
