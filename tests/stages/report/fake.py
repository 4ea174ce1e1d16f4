"""Made-up but consistent results: scenes drawn from a seed, predictions spoilt on purpose, the real numbers of them."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from pixelproof.core.files import write_json, write_text
from pixelproof.core.params import read_yaml
from pixelproof.data.dataset import ClassInfo, Header, Sample, SplitWriter, write_header
from pixelproof.data.images import write_png
from stages.augment.copies import augment
from stages.augment.params import Augment
from stages.evaluate.instances import said_of
from stages.evaluate.params import Boundary, Calibration, Intervals, Objects, Quality, Sizes
from stages.evaluate.split import Tally, in_ids
from stages.evaluate.write import write_results
from stages.measure.__main__ import measure
from stages.measure.params import Measure
from tests.workspace import ROOT

CLASSES = {
    "paved": (120, 120, 128),
    "grass": (106, 168, 79),
    "tree": (39, 99, 48),
    "roof": (178, 72, 60),
    "car": (240, 196, 32),
    "person": (232, 62, 140),
    "water": (52, 120, 196),
    "obstacle": (110, 72, 160),
    "pool": (64, 205, 212),
}
ARCHITECTURES = ["unet", "fcn-r18-d8", "pspnet-r18", "deeplabv3plus-r18"]
QUALITY = Quality(
    boundary=Boundary(tolerances=[1, 3]),
    objects=Objects(match=0.5, sizes=Sizes(medium=64, large=576)),
    calibration=Calibration(bins=15),
    intervals=Intervals(confidence=0.95),
)
PRICE = {  # parameters, FLOPs
    "unet": (1_800_000, 1_230_000_000),
    "fcn-r18-d8": (924_000, 501_000_000),
    "pspnet-r18": (957_000, 502_000_000),
    "deeplabv3plus-r18": (944_000, 523_000_000),
}
SKILL = {"unet": 0.93, "fcn-r18-d8": 0.7, "pspnet-r18": 0.78, "deeplabv3plus-r18": 0.86}


def header(names: dict[str, tuple[int, int, int]] | None = None) -> Header:
    """The classes of the fake scenes."""
    classes = [
        ClassInfo(i, name, color, name in ("car", "roof")) for i, (name, color) in enumerate((names or CLASSES).items())
    ]
    return Header("synthetic", tuple(classes), ({"name": "synthetic"}, {"name": "a<b>"}))


def scene(draw: np.random.Generator, classes: int, size: int) -> NDArray[np.uint8]:
    """Blobs of every class but the last over ground of the first."""
    mask = np.zeros((size, size), np.uint8)
    for label in range(1, classes - 1):
        for _ in range(int(draw.integers(1, 4))):
            centre = draw.integers(0, size, 2).tolist()
            axes = draw.integers(size // 24 + 1, size // 5 + 2, 2).tolist()
            cv2.ellipse(mask, centre, axes, float(draw.integers(0, 180)), 0, 360, label, -1)
    mask[: size // 24] = 255
    return mask


def photo(draw: np.random.Generator, mask: NDArray[np.uint8], known: Header) -> NDArray[np.uint8]:
    """The classes' colours, dimmed and noisy."""
    palette = np.zeros((256, 3), np.float64)
    palette[: len(known.classes)] = [c.color for c in known.classes]
    noise = draw.normal(0, 18, (*mask.shape, 3))
    return np.clip(palette[mask] * 0.7 + 40 + noise, 0, 255).astype(np.uint8)


def predicted(draw: np.random.Generator, truth: NDArray[np.uint8], skill: float, classes: int) -> NDArray[np.uint8]:
    """The truth with its details lost and some blobs of it given another class."""
    kernel = np.ones((3, 3), np.uint8)
    lost: NDArray[np.uint8] = np.where(truth == 255, 0, truth).astype(np.uint8)
    for _ in range(round((1 - skill) * 12)):
        lost = np.asarray(cv2.erode(lost, kernel) if draw.random() < 0.5 else cv2.dilate(lost, kernel), np.uint8)
        where = np.zeros_like(truth)
        cv2.circle(where, draw.integers(0, truth.shape[0], 2).tolist(), truth.shape[0] // 9, 1, -1)
        lost[(where > 0) & (lost == lost[tuple(np.argwhere(where)[0])])] = draw.integers(0, classes - 1)
    return lost


def make(
    root: Path,
    seeds: tuple[int, ...] = (0,),
    images: int = 6,
    size: int = 64,
    known: Header | None = None,
    group: str = "flight",
    without: str = "",
    in_group: int = 2,
) -> None:
    """All that a report reads below root: what the stages before it would have left there, and their declarations.

    The split `without` has no images.
    """
    known = known or header()
    for name in ("dvc.yaml", "params.yaml", "requirements.lock"):
        root.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    truths: dict[str, list[tuple[Sample, NDArray[np.uint8]]]] = {}
    write_header(root / "data/prepared", known)
    for number, split in enumerate(("train", "val", "test")):
        draw = np.random.default_rng([11, number])
        writer, truths[split] = SplitWriter(root / "data/prepared", split, known), []
        for i in range(images if split != without else 0):
            sample, mask = (
                Sample(f"{split}-{i:02}", f"{group}-{split}-{i // in_group}", size, size, "synthetic"),
                scene(draw, len(known.classes), size),
            )
            writer.add(sample, photo(draw, mask, known), mask)
            truths[split].append((sample, mask))
        writer.close()
        write_json(root / "results/data" / f"{split}.json", card(known, truths[split]))
    for number, name in enumerate(ARCHITECTURES):
        for seed in seeds:
            folder = root / "results" / name / str(seed)
            make_run(folder, known, truths, [number, seed], SKILL[name])
            parameters, flops = PRICE[name]
            price = {"parameters": parameters, "flops": flops, "height": size, "width": size}
            write_json(folder / "evaluate/cost.json", price)
            weights = root / "models" / name / str(seed) / "weights.safetensors"
            weights.parent.mkdir(parents=True)
            save_file({"weight": np.full(4, number + seed, np.float32)}, weights)
    policy = read_yaml(ROOT / "params.yaml")["augment"]
    augment(root / "data/prepared", root / "data/augmented", Augment.model_validate({**policy, "workers": 1}), 0)
    with contextlib.chdir(root):
        for name in ARCHITECTURES:
            for seed in seeds:
                measure(name, seed, rules(known))


def rules(known: Header) -> Measure:
    """The params of measure that fit the classes: the first two are safe, the next is not, a car keeps its distance."""
    section = read_yaml(ROOT / "params.yaml")["measure"]
    names = known.names()
    distance = {name: {"metres": None, "pixels": 3.0} for name in names if name == "car"}
    landing = {
        "safe": names[:2],
        "forbidden": [name for name in names[2:] if name not in distance],
        "keep_distance": distance,
        "radius": {"metres": None, "pixels": 3.0},
        "pictures": 2,
    }
    return Measure.model_validate({**section, "landing": {**section["landing"], **landing}})


def card(known: Header, truths: list[tuple[Sample, NDArray[np.uint8]]]) -> dict[str, Any]:
    """What the report shows of a data card."""
    pixels = np.concatenate([np.zeros(0, np.uint8), *(mask.ravel() for _, mask in truths)])
    counts = np.bincount(pixels, minlength=256)[: len(known.classes)]
    classes = [
        {"id": c.id, "name": c.name, "share": float(counts[c.id] / counts.sum()) if len(truths) else None}
        for c in known.classes
    ]
    groups = len({sample.group for sample, _ in truths})
    return {"images": len(truths), "groups": groups, "classes": classes, "notes": ["no pixel of: pool"]}


def make_run(
    folder: Path, known: Header, truths: dict[str, list[tuple[Sample, NDArray[np.uint8]]]], key: list[int], skill: float
) -> None:
    """What train and evaluate leave of one run."""
    draw = np.random.default_rng([13, *key])
    found = {}
    for split in ("val", "test"):
        tally = Tally(split, known, QUALITY)
        for sample, truth in truths[split]:
            prediction = predicted(draw, truth, skill, len(known.classes))
            certainty = np.where(prediction == truth, 0.9, 0.6).astype(np.float32)
            said = said_of(prediction, certainty, None, list(tally.things), QUALITY.objects)
            tally.add(sample, truth, said)
            write_png(folder / "evaluate/instances" / split / f"{sample.id}.png", in_ids(said.objects))
            write_png(folder / "evaluate/masks" / split / f"{sample.id}.png", prediction)
            write_png(folder / "evaluate/certainty" / split / f"{sample.id}.png", (255 * certainty).astype(np.uint8))
        found[split] = tally.evaluation()
    write_results(folder / "evaluate", found)
    lines = ["iteration,name,value"]
    for i in range(10, 401, 10):
        lines.append(f"{i},train/loss,{2.2 * np.exp(-i / 140) + 0.3 * (1 - skill) + draw.uniform(0, 0.12):.5f}")
        if i % 50 == 0:
            reached = found["val"].metrics["mIoU"] * (1 - np.exp(-i / 90)) + draw.uniform(-0.01, 0.01)
            lines.append(f"{i},val/mIoU,{reached:.5f}")
    write_text(folder / "train/curves.csv", "\n".join(lines) + "\n")
