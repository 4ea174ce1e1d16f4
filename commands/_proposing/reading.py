"""Reads the facts: the data card, the prepared images and masks, and this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from commands._proposing.facts import Content, Division, Facts, Size
from commands._shape import trained_size
from pixelproof.core.errors import DataError, PixelproofError
from pixelproof.core.files import read_json
from pixelproof.core.params import check, pick
from pixelproof.core.progress import track
from pixelproof.data.dataset import (
    IGNORE,
    Header,
    Sample,
    read_header,
    read_image,
    read_instances,
    read_mask,
    read_split,
)
from pixelproof.data.images import Array
from pixelproof.data.splitting import Split, split_of
from pixelproof.nn.runtime import Compute, pick_device

PREPARED, CARD = Path("data/prepared"), Path("results/data/card.json")
ENOUGH = 200  # images: more of them change neither shares nor medians by much
FIX = "run `bin/python -m dvc repro prepare`"


def read(values: dict[str, Any], root: Path = Path()) -> Facts:
    """All facts.

    Args:
        values: The contents of params.yaml.
        root: The clone.

    Raises:
        DataError: The data is not there.
    """
    card = root / CARD
    if not card.is_file() or not (root / PREPARED / "train/index.csv").is_file():
        raise DataError(card, "the data card, beside the data", "none", FIX)
    samples = {split: read_split(root / PREPARED, split) for split in ("train", "val", "test")}
    if not samples["train"]:
        raise DataError(PREPARED / "train", "an image to learn from", "none", FIX)
    size, tiled = trained_size(values)[::-1], pick(values, "prepare.shape.mode") == "tile"
    device, memory = machine(check(Compute, pick(values, "compute"), "compute."))
    division = divided(samples, check(Split, pick(values, "prepare.split"), "prepare.split."), root)
    learnt, judged = numbers(samples, size, division.split)
    shares = {each["name"]: each["share"] or 0.0 for each in read_json(card)["splits"]["train"]["classes"]}
    return Facts(
        size=size,
        tiled=tiled,
        learnt=learnt,
        judged=judged,
        division=division,
        content=seen(root / PREPARED, samples, "val" if tiled and samples["val"] else "train", shares),
        device="cuda" if device == "cuda" else "cpu",
        memory=memory,
        packaged=packaged(),
    )


def machine(compute: Compute) -> tuple[str, int]:
    """The device, and the bytes of memory that it has."""
    import psutil
    import torch

    device = pick_device(compute)
    return device, torch.cuda.mem_get_info()[1] if device == "cuda" else psutil.virtual_memory().total


def packaged() -> bool:
    """Whether the ImageNet weights of EfficientNet-Lite0 are installed, and are those."""
    from stages.configure.pretrained import imagenet

    try:
        return bool(imagenet("unet-lite0"))
    except PixelproofError:
        return False


def divided(samples: Mapping[str, list[Sample]], split: Split, root: Path) -> Division:
    """Which group is where, and whether prepare drew it so."""
    folded = any(sample.fold is not None for sample in samples["val"])
    places: dict[str, str] = {}
    crossing = False
    for name, found in samples.items():
        place = "train" if folded and name == "val" else name
        for group in {sample.group for sample in found}:
            crossing |= places.setdefault(group, place) != place
    frozen = root / split.frozen
    fixed = frozen.is_file() and len(frozen.read_text(encoding="utf-8").splitlines()) > 1
    drawn = {group: split_of(group, split.val, split.test, split.salt) for group in places}
    if folded:
        drawn = {group: "test" if place == "test" else "train" for group, place in drawn.items()}
    return Division(places, split, drawn == places and not crossing and not fixed)


def numbers(samples: Mapping[str, list[Sample]], size: Size, split: Split) -> tuple[float, float]:
    """The images to learn from and those that judge, without folds, in images of a size."""
    pixels = {name: sum(s.width * s.height for s in samples[name]) for name in ("train", "val")}
    learnt, judged = (pixels[name] / (size[0] * size[1]) for name in ("train", "val"))
    if all(sample.fold is None for sample in samples["val"]):
        return learnt, judged
    part = split.val / (1 - split.test)
    return learnt * (1 - part), judged * part


@dataclass
class Seen:
    """What is counted in images, one at a time."""

    header: Header
    sides: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # by class: side, and its weight
    greys: list[float] = field(default_factory=list)
    halves: Array = field(default_factory=lambda: np.zeros((4, 256)))  # pixels in upper, lower, left, right halves

    def add_objects(self, mask: Array, instances: Array | None) -> None:
        """Count objects: of things, or of all classes where none is one."""
        things = [info for info in self.header.classes if info.thing] or list(self.header.classes)
        for info in things:
            inside = mask == info.id
            if instances is not None and info.thing:
                areas = np.unique(instances[inside & (instances > 0)], return_counts=True)[1]
                found = [(float(area) ** 0.5, 1.0) for area in areas]
            else:
                stats = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)[2][1:]
                areas = stats[:, cv2.CC_STAT_AREA]
                # By area: what others cover falls into slivers, of which there are many.
                found = [(float(area) ** 0.5, float(area / areas.mean())) for area in areas]
            self.sides.setdefault(info.name, []).extend(found)

    def add_halves(self, mask: Array) -> None:
        """Count the classes of the halves."""
        height, width = mask.shape
        parts = (mask[: height // 2], mask[-(height // 2) :], mask[:, : width // 2], mask[:, -(width // 2) :])
        self.halves += [np.bincount(part.ravel(), minlength=256) for part in parts]

    def content(self, shares: Mapping[str, float]) -> Content:
        """What follows."""
        middles = {name: quantile(found, 0.5) for name, found in self.sides.items() if found}
        counts = self.halves[:, :IGNORE]
        parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return Content(
            shares=shares,
            sides=middles,
            typical=quantile([each for found in self.sides.values() for each in found], 0.9),
            upside=float(np.abs(parts[0] - parts[1]).sum() / 2),
            aside=float(np.abs(parts[2] - parts[3]).sum() / 2),
            uneven=float(np.std(self.greys)) if self.greys else 0.0,
        )


def seen(root: Path, samples: Mapping[str, list[Sample]], whole: str, shares: Mapping[str, float]) -> Content:
    """Look at some images of train, and at the halves of whole ones."""
    header = read_header(root)
    found, classes = Seen(header), len(header.classes)
    for sample in track(spread(samples["train"]), "images looked at", min(ENOUGH, len(samples["train"]))):
        mask = read_mask(root, "train", sample, classes)
        found.add_objects(mask, read_instances(root, "train", sample))
        found.greys.append(float(read_image(root, "train", sample).mean()))
        if whole == "train":
            found.add_halves(mask)
    for sample in spread(samples[whole]) if whole != "train" else ():
        found.add_halves(read_mask(root, whole, sample, classes))
    return found.content(shares)


def spread(samples: list[Sample]) -> list[Sample]:
    """So many that they are enough, evenly from all."""
    number = min(ENOUGH, len(samples))
    return [samples[(2 * n + 1) * len(samples) // (2 * number)] for n in range(number)]


def quantile(found: Iterable[tuple[float, float]], share: float) -> float:
    """The least value that, with those below, has a share of the weight; 0 of nothing.

    >>> quantile([(4.0, 1.0), (2.0, 1.0), (9.0, 1.0)], 0.5), quantile([(4.0, 1.0), (9.0, 3.0)], 0.5), quantile([], 0.5)
    (4.0, 9.0, 0.0)
    """
    ordered = sorted(found)
    reached, whole = 0.0, sum(weight for _, weight in ordered)
    for value, weight in ordered:
        reached += weight
        if reached >= share * whole:
            return value
    return 0.0
