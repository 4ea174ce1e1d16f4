"""The lecture's figures that show trained networks: U-Net against DeconvNet, and what K-means cuts out."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import ROOT
from benchmarks.workspace import DATA, make_workspace, run_stage
from pixelproof.core.files import read_json, write_bytes
from pixelproof.core.table import markdown_table
from pixelproof.data.dataset import iterate, read_header

Picture = NDArray[np.uint8]
PAIR = ("unet", "deconvnet")
NETWORKS = ("kmeans", *PAIR)
PREPARED, SPLIT = "data/prepared", "test"
CLASS = "roof"  # that is cut out
SQUARE, LIGHT, DARK = 8, 255, 215  # pixels and greys of what shows through transparency
SMALL = {
    "download.synthetic.val_flights": 4,
    "download.synthetic.test_flights": 8,
    "compute.threads": 1,
}


def trained(tree: Path, names: Sequence[str], iterations: int) -> None:
    """Train and evaluate networks in a new folder, or in one that this made before; a clone must have their results."""
    if not tree.exists():
        changes = {"architectures": list(NETWORKS), "train.iterations": iterations, "train.val_interval": iterations}
        make_workspace(tree, DATA | SMALL | changes)
    lacking = [name for name in names if not (evaluated(tree, name) / "metrics.json").is_file()]
    if lacking and not (tree / "dvc.yaml").is_symlink():
        sys.exit(f"error: {tree}: no results of {lacking[0]}; name a new folder, or a clone that has them")
    for name in lacking:
        print(f"training {name}", file=sys.stderr)
        for stage in ("train", "evaluate"):
            run_stage(tree, stage, "--arch", name, "--seed", "0")


def evaluated(tree: Path, name: str) -> Path:
    """What evaluate wrote of a network."""
    return tree / f"results/{name}/0/evaluate"


def boundaries(out: Path, tree: Path) -> None:
    """What U-Net and DeconvNet find in one image, and how well their boundaries fit in all of them."""
    found = {name: read_json(evaluated(tree, name) / "metrics.json")[SPLIT] for name in PAIR}
    image, truth, masks = in_the_middle(tree, PAIR)
    shown = {"image": image, "truth": truth}
    for name, mask in zip(PAIR, masks, strict=True):
        shown[f"{name}, boundary IoU {boundary(found[name], '1'):.3f}"] = mask
    draw(out, shown, 2.9)
    rows = [
        [name, f"{each['mIoU']:.3f}", f"{boundary(each, '1'):.3f}", f"{boundary(each, '3'):.3f}"]
        for name, each in found.items()
    ]
    print(*markdown_table(["network", "mIoU", "boundary IoU, 1 pixel", "boundary IoU, 3 pixels"], rows), sep="\n")


def boundary(found: Mapping[str, Any], tolerance: str) -> float:
    """The boundary IoU of a split in metrics.json."""
    return float(found["boundary"][tolerance]["iou"])


def in_the_middle(tree: Path, names: Sequence[str]) -> tuple[Picture, Picture, list[Picture]]:
    """The image where two networks differ by the median in pixel accuracy: itself, its labels, what they find."""
    palette = colours(tree)
    found = []
    for sample, image, truth in iterate(tree / PREPARED, SPLIT):
        masks = [read(evaluated(tree, name) / f"masks/{SPLIT}/{sample.id}.png") for name in names]
        one, other = (float((mask == truth).mean()) for mask in masks)
        found.append((one - other, sample.id, image, palette[truth], [palette[mask] for mask in masks]))
    _, _, image, truth, masks = sorted(found, key=lambda each: each[:2])[len(found) // 2]
    return image, truth, masks


def cut_out(out: Path, tree: Path) -> None:
    """What K-means cuts out of the image with most roofs, on nothing and on the image with fewest."""
    most, fewest = by_share(tree)
    with tempfile.TemporaryDirectory(prefix="pixelproof-") as scratch:
        alone = cut(tree, "kmeans", most, Path(scratch) / "alone")
        laid = cut(tree, "kmeans", most, Path(scratch) / "laid", "--onto", str(fewest))
    pictures = {"image": read(most), f"kmeans: {CLASS}": over_squares(alone), "another": read(fewest)}
    draw(out, pictures | {"laid over it": laid}, 2.9)
    print(f"{CLASS} of {most.name}, onto {fewest.name}")


def by_share(tree: Path) -> tuple[Path, Path]:
    """The image with the most pixels of the class, and that with the fewest."""
    label = read_header(tree / PREPARED).names().index(CLASS)
    found = [(int((truth == label).sum()), sample.id) for sample, _, truth in iterate(tree / PREPARED, SPLIT)]
    images = tree / PREPARED / SPLIT / "images"
    most, fewest = (next(images.glob(f"{name}.*")) for _, name in (max(found), min(found)))
    return most, fewest


def cut(tree: Path, name: str, image: Path, out: Path, *more: str) -> Picture:
    """The pixels that `predict --cut-out` writes."""
    asked = [str(image), "--arch", name, "--out", str(out), "--cut-out", CLASS, *more]
    command = [sys.executable, "-m", "commands", "predict", *asked]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: predict ended with {done.returncode}: {done.stderr[-2000:]}")
    return read(out / f"cutouts/{image.stem}.png")


def over_squares(picture: Picture) -> Picture:
    """RGBA over the squares that stand for transparency."""
    rows, columns = np.indices(picture.shape[:2]) // SQUARE
    squares = np.where((rows + columns) % 2, DARK, LIGHT).astype(np.uint8)
    found: Picture = np.where(picture[..., 3:] == 255, picture[..., :3], squares[..., None])
    return found


def colours(tree: Path) -> Picture:
    """The class colours by id; what is unlabelled is grey."""
    found = np.full((256, 3), DARK, np.uint8)
    classes = read_header(tree / PREPARED).classes
    found[: len(classes)] = [info.color for info in classes]
    return found


def read(path: Path) -> Picture:
    """An image or a mask as it is."""
    from PIL import Image

    with Image.open(path) as opened:
        return np.asarray(opened)


def draw(out: Path, shown: Mapping[str, Picture], height: float) -> None:
    """Pictures side by side, each under its title."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(shown), figsize=(10.5, height), layout="constrained")
    for axis, (title, picture) in zip(axes, shown.items(), strict=True):
        axis.imshow(picture)
        axis.set_title(title, size=9)
        axis.set(xticks=[], yticks=[])
    save(figure, out)


def save(figure: Any, out: Path) -> None:
    """As a PNG of 256 colours without the version that drew it: small, and the same bytes every time."""
    import io

    from matplotlib import pyplot
    from PIL import Image

    content, smaller = io.BytesIO(), io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    pyplot.close(figure)
    Image.open(content).convert("RGB").quantize(256).save(smaller, "PNG", optimize=True)
    write_bytes(out, smaller.getvalue())
    print(out, file=sys.stderr)
