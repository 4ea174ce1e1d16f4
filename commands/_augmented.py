"""Draws training images and their masks before and after a policy."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from pixelproof.augmentation.apply import apply
from pixelproof.augmentation.policies import POLICIES, Policy
from pixelproof.augmentation.steps import Step
from pixelproof.augmentation.view import View
from pixelproof.core.errors import StateError, nearest
from pixelproof.core.files import write_bytes
from pixelproof.core.params import load
from pixelproof.data.dataset import read_header
from pixelproof.data.images import Array, encoded
from pixelproof.data.resize import pad, resize_image, resize_labels
from stages.augment.copies import Split, generator
from stages.augment.params import Params as AugmentParams
from stages.train.params import Params as TrainParams

PREPARED = Path("data/prepared")
CELL, GAP = 192, 4  # pixels
TIMES = 2  # that the policy is applied to each image
KEYS = ("train.augment", "augment.policy")
OURS = b"tEXtSoftware\0pixelproof augment"  # a chunk of PNG, right behind its header
HEAD = 33  # bytes of signature and header


def preview(name: str, images: int, out: Path | None) -> None:
    """Draw a sheet, and say where it is.

    Args:
        name: of the policy, or where params.yaml has it.
        images: how many.
        out: the file to write.

    Raises:
        PixelproofError: there is no such policy, or no image; or `out` is no name of a PNG, or a file of others.
    """
    params = load("train", TrainParams)
    policy, target = policy_of(name, params), target_of(name, out)
    split = Split(PREPARED, read_header(PREPARED))
    if not split.samples or images < 1:
        raise StateError(
            "pixelproof augment", f"{len(split.samples)} images, {images} asked for", "ask for one or more"
        )
    size = None if name == KEYS[1] else params.train.crop_size
    shares = split.shares()
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(split.header.classes)] = [info.color for info in split.header.classes]
    rows, count = [], min(images, len(split.samples))
    for number in range(count):
        sample = split.samples[(2 * number + 1) * len(split.samples) // (2 * count)]
        view, around = split.view(sample), split.around(shares[sample.fold], size, sample.fold)
        after = [apply(policy, view, generator(params.seed, sample.id, copy), around) for copy in range(1, TIMES + 1)]
        rows.append(np.hstack([cell for each in (view, *after) for cell in cells(each, palette)]))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(target, signed(encoded(target, np.vstack(rows))))
    print(f"{target}: {count} images and masks, and both after {name}, {TIMES} times")


def target_of(name: str, out: Path | None) -> Path:
    """Where the sheet goes: a PNG, whatever it is called, so another ending would lie; never over a file of others."""
    target = out or Path(f"exports/augment/{name}.png")
    if target.is_dir():
        raise StateError(str(target), "a folder", f"give --out a file in it, such as {target / 'sheet.png'}")
    if target.suffix.lower() != ".png":
        raise StateError(str(target), "not a .png", "give --out a name that ends with .png")
    if out and target.exists() and not is_ours(target):
        raise StateError(str(target), "it exists, and this command did not write it", "give --out another file")
    return target


def signed(png: bytes) -> bytes:
    """A PNG that says that this command wrote it."""
    chunk = struct.pack(">I", len(OURS) - 4) + OURS + struct.pack(">I", zlib.crc32(OURS))
    return png[:HEAD] + chunk + png[HEAD:]


def is_ours(path: Path) -> bool:
    """Whether this command wrote a file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(HEAD + 4 + len(OURS)).endswith(OURS)


def policy_of(name: str, params: TrainParams) -> list[Step]:
    """The steps of a policy."""
    if name == KEYS[0]:
        return params.train.augment
    if name == KEYS[1]:
        return load("augment", AugmentParams).augment.policy
    if name not in POLICIES:
        known = [*POLICIES, *KEYS]
        raise StateError(f"--preview {name}", "no such policy", f"one of {', '.join(known)}{nearest(name, known)}")
    found: Any = TypeAdapter(Policy).validate_python(name)
    return list(found)


def cells(view: View, palette: Array) -> list[Array]:
    """Image and mask, scaled to fit a cell; ignored pixels are black."""
    scale = CELL / max(view.size)
    width, height = (max(1, round(side * scale)) for side in view.size)
    pair = resize_image(view.image, width, height), palette[resize_labels(view.mask, width, height)]
    return [pad(each, CELL + GAP, CELL + GAP, 255) for each in pair]
