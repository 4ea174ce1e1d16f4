"""Pictures of where a multi-scale network takes which scale, for images of the test split.

For each image and each scale but the largest, OUT/ID-scale-SCALE.png in grey: white pixels are taken from this scale,
black ones from the next larger one. All test images, or those whose ids are given.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from commands._catalogue import path_from
from commands._trained import PREPARED, Trained, find
from pixelproof.core.errors import StateError, nearest
from pixelproof.data.dataset import read_image, read_split, write_png

GROUP = "networks"
SPLIT = "test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("--arch", required=True, help="a trained architecture that predicts attention over scales")
    parser.add_argument("--seed", type=int, default=0, help="the seed that it was trained from (default: 0)")
    parser.add_argument("--out", type=path_from, help="the folder to write to (default: exports/attention/NAME-SEED)")
    parser.add_argument("ids", nargs="*", metavar="ID", help="of images of the test split (default: all)")


def run(arguments: argparse.Namespace) -> None:
    """Write the pictures of one network."""
    trained = find(arguments.arch, arguments.seed)
    out = arguments.out or Path("exports/attention") / trained.name
    print(f"wrote {draw(trained, arguments.ids, out)} pictures to {out}")


def draw(trained: Trained, ids: list[str], out: Path) -> int:
    """Write the pictures of these images; gives how many."""
    import torch

    samples = {sample.id: sample for sample in read_split(PREPARED, SPLIT)}
    for name in ids:
        if name not in samples:
            found = f"no image {name!r} among its {len(samples)}"
            raise StateError(f"{PREPARED / SPLIT}", found, f"see its index.csv{nearest(name, samples)}")
    model = trained.network(trained.fp32())
    if not hasattr(model, "attention_maps"):
        raise StateError(trained.arch, "no attention over scales", "ocrnet-hr48-hms predicts it")
    count = 0
    for name in ids or samples:
        image = read_image(PREPARED, SPLIT, samples[name])
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
        with torch.inference_mode():
            maps = model.attention_maps(model.data_preprocessor({"inputs": pixels}, False)["inputs"])
        for scale, attention in maps.items():
            seen = attention[0, 0, : image.shape[0], : image.shape[1]].numpy()
            write_png(out / f"{name}-scale-{scale:g}.png", np.round(seen * 255).astype(np.uint8))
            count += 1
    return count
