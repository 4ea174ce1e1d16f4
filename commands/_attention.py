"""Pictures of the scale attention that a trained network predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from commands._trained import PREPARED, Trained
from pixelproof.core.errors import StateError, nearest
from pixelproof.data.dataset import read_image, read_split
from pixelproof.data.folds import folder_of
from pixelproof.data.images import write_png

SPLIT = "test"


def attention(trained: Trained, ids: list[str], out: Path | None) -> None:
    """Write the pictures of one network, and print where they are."""
    folder = out or folder_of(Path("exports/attention") / trained.name, trained.fold)
    print(f"wrote {draw(trained, ids, folder)} pictures to {folder}")


def draw(trained: Trained, ids: list[str], out: Path) -> int:
    """Write the pictures of these images, and return how many there are."""
    import torch

    samples = {sample.id: sample for sample in read_split(PREPARED, SPLIT)}
    for name in ids:
        if name not in samples:
            found = f"no image {name!r} among its {len(samples)}"
            raise StateError(f"{PREPARED / SPLIT}", found, f"see its index.csv{nearest(name, samples)}")
    model = trained.network(trained.fp32())
    if not hasattr(model, "attention_maps"):
        raise StateError(trained.arch, "no attention over scales", "use ocrnet-hr48-hms, which predicts it")
    count = 0
    for name in ids or samples:
        image = read_image(PREPARED, SPLIT, samples[name])
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
        with torch.inference_mode():
            maps = model.attention_maps(model.data_preprocessor({"inputs": pixels}, False)["inputs"])
        for scale, weight in maps.items():
            seen = weight[0, 0, : image.shape[0], : image.shape[1]].numpy()
            write_png(out / f"{name}-scale-{scale:g}.png", np.round(seen * 255).astype(np.uint8))
            count += 1
    return count
