"""Small datasets in the layouts of their publishers: folder for folder, with every type of file, made from a seed."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle

from pixelproof.data.images import Array

DUBAI = {"Tile 1": "RGB", "Tile 2": "P", "Tile 3": "RGB", "Tile 4": "RGB"}
DUBAI_COLORS = ("8429F6", "E2A929", "3C1098", "FEDD3A", "6EC1E4", "9B9B9B", "000000")
DUBAI_WRONG = {"Water": "#50E3C2", "Land (unpaved area)": "#F5A623", "Unlabeled": "#9B9B9B"}


def rgb_of(text: str) -> tuple[int, int, int]:
    """A colour from its hexadecimal digits."""
    return int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)


def save(path: Path, array: Array, palette: list[tuple[int, int, int]] | None = None, **options: Any) -> Path:
    """Save an array as an image, as a palette image if colours are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette is not None:
        image = Image.fromarray(array, mode="P")
        image.putpalette([value for color in palette for value in color])
    image.save(path, **options)
    return path


def photo(path: Path, rng: np.random.Generator, height: int = 12, width: int = 16, **options: Any) -> Path:
    """Save a photograph of noise."""
    return save(path, rng.integers(0, 256, (height, width, 3), dtype=np.uint8), **options)


def blocks(rng: np.random.Generator, values: list[int], height: int = 12, width: int = 16, often: int = 99) -> Array:
    """A mask of 4x4 blocks, which has every value once if there are blocks enough; then the first `often` of them."""
    rows, columns = -(-height // 4), -(-width // 4)
    drawn = np.concatenate([values, rng.choice(values[:often], max(0, rows * columns - len(values)))])[: rows * columns]
    grid = rng.permutation(drawn).reshape(rows, columns).astype(np.int64)
    whole: Array = np.kron(grid, np.ones((4, 4), np.int64))[:height, :width]
    return whole


def dubai(root: Path) -> Path:
    """Tiles of images that have the same names in each; palettes and RGB; a classes.json of other colours."""
    rng, palette = np.random.default_rng(1), [rgb_of(color) for color in DUBAI_COLORS]
    for tile, mode in DUBAI.items():
        for number in (1, 2):
            photo(root / tile / "images" / f"image_part_{number:03d}.jpg", rng, 24, 24)
            ids = blocks(rng, list(range(len(palette))), 24, 24, often=5).astype(np.uint8)
            path = root / tile / "masks" / f"image_part_{number:03d}.png"
            save(path, ids, palette) if mode == "P" else save(path, np.array(palette, np.uint8)[ids])
    stated = [{"title": name, "shape": "polygon", "color": color} for name, color in DUBAI_WRONG.items()]
    (root / "classes.json").write_text(json.dumps({"classes": stated, "tags": []}))
    return root


def nuclei(root: Path, images: int = 3) -> Path:
    """A folder for each image, RGBA, with one black and white PNG for each nucleus."""
    rng = np.random.default_rng(2)
    for number in range(images):
        name = f"{number:064x}"
        rgba = np.dstack([rng.integers(0, 256, (16, 16, 3), dtype=np.uint8), np.full((16, 16), 255, np.uint8)])
        save(root / name / "images" / f"{name}.png", rgba)
        for nucleus in range(3):
            mask = np.zeros((16, 16), np.uint8)
            mask[5 * nucleus : 5 * nucleus + 4, number : number + 4] = 255
            save(root / name / "masks" / f"{nucleus:064x}.png", mask)
    return root


def oxford_pet(root: Path) -> Path:
    """`images` and `annotations`: trimaps, lists, a PNG and a GIF called .jpg, images that no list has."""
    rng = np.random.default_rng(3)
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    pets = [("Abyssinian_1", 1, 1), ("Abyssinian_34", 1, 1), ("beagle_2", 5, 2), ("pug_7", 26, 2), ("pug_9", 26, 2)]
    for place, (name, breed, species) in enumerate(pets):
        kind = {1: "GIF", 2: "PNG"}.get(place, "JPEG")
        photo(root / "images" / f"{name}.jpg", rng, format=kind)
        save(root / "annotations/trimaps" / f"{name}.png", blocks(rng, [1, 2, 3]).astype(np.uint8))
        (root / "annotations/trimaps" / f"._{name}.png").write_bytes(b"of another system")
        lists["test" if place == 4 else "trainval"].append(f"{name} {breed} {species} {place + 1}")
    photo(root / "images/Egyptian_Mau_139.jpg", rng)
    (root / "images/Abyssinian_100.mat").write_bytes(b"not an image")
    for name, lines in lists.items():
        (root / "annotations" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (root / "annotations/list.txt").write_text(
        "#Image CLASS-ID SPECIES BREED ID\n" + "\n".join([*lists["trainval"], *lists["test"]])
    )
    return root


def voc(root: Path, year: str, splits: dict[str, list[str]]) -> Path:
    """`VOCdevkit/VOC<year>`: palettes with a border of 255, lists, an image without labels, unused labels."""
    rng, place = np.random.default_rng(int(year)), root / f"VOCdevkit/VOC{year}"
    palette = [(n, 255 - n, n // 2) for n in range(256)]
    for split, names in splits.items():
        for name in names:
            photo(place / f"JPEGImages/{name}.jpg", rng)
            ids = blocks(rng, [0, 1, 15, 20, 255])
            save(place / f"SegmentationClass/{name}.png", ids.astype(np.uint8), palette)
            objects = np.where(ids == 255, 255, np.where(ids == 0, 0, ids % 7))
            save(place / f"SegmentationObject/{name}.png", objects.astype(np.uint8), palette)
        (place / "ImageSets/Segmentation").mkdir(parents=True, exist_ok=True)
        (place / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(names) + "\n")
    photo(place / "JPEGImages/not_labelled.jpg", rng)
    return root


def sbd(root: Path, names: list[str]) -> Path:
    """`benchmark_RELEASE/dataset`: MATLAB files of classes and of objects."""
    from scipy.io import savemat

    rng, place = np.random.default_rng(5), root / "benchmark_RELEASE/dataset"
    for folder in ("cls", "inst"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        photo(place / f"img/{name}.jpg", rng)
        ids = blocks(rng, [0, 3, 12]).astype(np.uint8)
        boundaries = {"Boundaries": np.zeros((20, 1), object), "CategoriesPresent": np.array([3, 12])}
        savemat(place / f"cls/{name}.mat", {"GTcls": boundaries | {"Segmentation": ids}})
        savemat(place / f"inst/{name}.mat", {"GTinst": {"Segmentation": (ids > 0).astype(np.uint8) * (ids % 2 + 1)}})
    (place / "train.txt").write_text("\n".join(names[:1]) + "\n")
    (place / "val.txt").write_text("\n".join(names[1:]) + "\n")
    return root


def cityscapes(root: Path) -> Path:
    """`leftImg8bit` and `gtFine` by split and city: ids, 16-bit instances with a group, the empty labels of test."""
    rng = np.random.default_rng(6)
    frames = {"train": ["aachen_000000_000019", "bochum_000000_000313"], "val": ["munster_000000_000019"],
              "test": ["berlin_000000_000019"]}  # fmt: skip
    for split, names in frames.items():
        for name in names:
            city = name.split("_")[0]
            photo(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", rng)
            ids = np.zeros((12, 16), np.int64) if split == "test" else blocks(rng, [0, 1, 4, 7, 9, 18, 24, 26, 29, 33])
            objects = np.where(np.isin(ids, (24, 26, 29)), ids * 1000 + rng.integers(0, 3, ids.shape), ids)
            start = root / f"gtFine/{split}/{city}/{name}_gtFine"
            save(start.with_name(f"{start.name}_labelIds.png"), ids.astype(np.uint8))
            save(start.with_name(f"{start.name}_instanceIds.png"), objects.astype(np.uint16))
            save(start.with_name(f"{start.name}_color.png"), np.zeros((12, 16, 4), np.uint8))
            start.with_name(f"{start.name}_polygons.json").write_text("{}")
    (root / "license.txt").write_text("the publisher's")
    return root


def ade20k(root: Path) -> Path:
    """`ADEChallengeData2016`: masks of 0 to 150, a grey photograph."""
    rng, place = np.random.default_rng(7), root / "ADEChallengeData2016"
    for split, short in (("training", "train"), ("validation", "val")):
        for number in (1, 2):
            name = f"ADE_{short}_{number:08d}"
            if number == 1:
                photo(place / f"images/{split}/{name}.jpg", rng)
            else:
                save(place / f"images/{split}/{name}.jpg", rng.integers(0, 256, (12, 16), dtype=np.uint8))
            save(place / f"annotations/{split}/{name}.png", blocks(rng, [0, 1, 77, 150]).astype(np.uint8))
    (place / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tStuff\tName\n")
    (place / "sceneCategories.txt").write_text("ADE_train_00000001 airport_terminal\n")
    return root


def semantic_drone(root: Path, kaggle: bool = False) -> Path:
    """The publisher's layout with RGB masks and its table, or Kaggle's with ids."""
    rng, colors = np.random.default_rng(9), [(0, 0, 0), (128, 64, 128), (255, 22, 96), (255, 0, 0)]
    ids = {0: 0, 1: 1, 2: 15, 3: 23}
    place = root / ("dataset/semantic_drone_dataset" if kaggle else "semantic_drone_dataset/training_set")
    for number in range(3):
        photo(place / ("original_images" if kaggle else "images") / f"{number:03d}.jpg", rng)
        drawn = blocks(rng, list(ids))
        if kaggle:
            save(place / f"label_images_semantic/{number:03d}.png", np.vectorize(ids.get)(drawn).astype(np.uint8))
        else:
            save(place / f"gt/semantic/label_images/{number:03d}.png", np.array(colors, np.uint8)[drawn])
    (place.parent / "class_dict.csv").write_text("name, r, g, b\nunlabeled, 0, 0, 0\n")
    return root


def pascal_context(root: Path) -> Path:
    """VOC 2010 with its lists of 4998 and 5105 images (three here), and masks of 59 and of 33 labels."""
    rng, lists = np.random.default_rng(10), {"train": ["2008_000008", "2008_000015"], "val": ["2008_000002"]}
    for split, names in lists.items():
        for name in names:
            photo(root / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg", rng)
            save(root / f"59_context_labels/{name}.png", blocks(rng, [0, 1, 15, 59]).astype(np.uint8))
            save(root / f"33_context_labels/{name}.png", blocks(rng, [0, 1, 21, 33]).astype(np.uint8))
        path = root / f"VOCdevkit/VOC2010/ImageSets/Main/{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(names) + "\n")
    return root


def open_images(root: Path) -> Path:
    """Photographs, tables of masks, masks of half the size, a label that only one split has."""
    rng, kinds = np.random.default_rng(11), {"/m/01g317": "Person", "/m/04yx4": "Man", "/m/0k4j": "Car"}
    root.mkdir(parents=True, exist_ok=True)
    (root / "class-descriptions-boxable.csv").write_text("".join(f"{m},{name}\n" for m, name in kinds.items()))
    for split, first in (("train", "0"), ("validation", "a"), ("test", "f")):
        lines = ["MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"]
        for number in range(2):
            image = f"{first}{number:015x}"
            photo(root / f"{split}/{image}.jpg", rng)
            boxes = [("/m/01g317", (0, 6, 0, 4)), ("/m/04yx4", (1, 3, 1, 3)), ("/m/0k4j", (4, 6, 4, 8))]
            for box, (label, (top, bottom, left, right)) in enumerate(boxes[: 2 if split == "validation" else 3]):
                mask = np.zeros((6, 8), np.uint8)
                mask[top:bottom, left:right] = 255
                name = f"{image}_{label.strip('/').replace('/', '')}_{box:08x}.png"
                save(root / f"{split}-masks-{first}/{name}", mask > 0 if box else mask)
                lines.append(f"{name},{image},{label},{box:08x},0,1,0,1,0.9,0.5 0.5 1")
        photo(root / f"{split}/{first}ffffffffffffff0.jpg", rng)
        (root / f"{split}-annotations-object-segmentation.csv").write_text("\n".join(lines) + "\n")
    return root


def coco(root: Path) -> Path:
    """Photographs; panoptic PNGs in an archive in `annotations`; maps of stuff; polygons, run lengths and a crowd."""
    rng = np.random.default_rng(8)
    for split, numbers in (("train", [9, 25]), ("val", [139])):
        names = [f"{number:012d}" for number in numbers]
        for name in names:
            photo(root / f"{split}2017/{split}2017/{name}.jpg", rng)
            ids = blocks(rng, [0, 15, 89, 91, 181, 255])
            save(root / f"stuffthingmaps/{split}2017/{name}.png", ids.astype(np.uint8))
        images = [{"id": n, "file_name": f"{n:012d}.jpg", "height": 12, "width": 16} for n in numbers]
        _write(root, f"panoptic_{split}2017", images, _panoptic(root, split, numbers, rng))
        _write(root, f"instances_{split}2017", images, _instances(numbers[0]))
    return root


def _write(root: Path, name: str, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> None:
    (root / "annotations").mkdir(exist_ok=True)
    content = {"images": images, "annotations": annotations, "categories": [], "info": {}, "licenses": []}
    (root / f"annotations/{name}.json").write_text(json.dumps(content))


def _panoptic(root: Path, split: str, numbers: list[int], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Segments of two persons, a crowd, sky and void, with ids above 65536; the PNGs in an archive."""
    found, name = [], f"panoptic_{split}2017"
    kinds = {70_001: (1, 0), 300: (1, 0), 5: (1, 1), 16_000_001: (187, 0)}  # id -> category, whether a crowd
    (root / "annotations").mkdir(exist_ok=True)
    with zipfile.ZipFile(root / f"annotations/{name}.zip", "w") as packed:
        for number in numbers:
            ids = blocks(rng, [0, *kinds])
            rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
            content = io.BytesIO()
            Image.fromarray(rgb).save(content, "PNG")
            packed.writestr(f"{name}/{number:012d}.png", content.getvalue())
            segments = [
                {"id": one, "category_id": category, "iscrowd": crowd, "area": int((ids == one).sum()), "bbox": []}
                for one, (category, crowd) in kinds.items()
            ]
            found.append({"image_id": number, "file_name": f"{number:012d}.png", "segments_info": segments})
    return found


def _instances(image: int) -> list[dict[str, Any]]:
    """A large polygon of two parts, a small one on it in run lengths, and a crowd in plain run lengths."""
    small = np.zeros((12, 16), np.uint8, order="F")
    small[2:4, 2:4] = 1
    packed = rle.encode(small)
    compressed = {"size": packed["size"], "counts": packed["counts"].decode()}
    crowd = {"size": [12, 16], "counts": [180, 12]}  # the last column: runs go down the columns
    parts = [[0, 0, 8, 0, 8, 8, 0, 8], [9, 9, 12, 9, 12, 12, 9, 12]]
    return [
        {"id": n, "image_id": image, "category_id": category, "iscrowd": int(shape is crowd), "segmentation": shape}
        for n, (category, shape) in enumerate([(17, compressed), (62, parts), (1, crowd)])
    ]
