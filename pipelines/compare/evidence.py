"""Whether the stored matrices are of the images that they should be of: all of their split, as labelled.

Images left out of matrices.parquet hide a collapse, and every hash may fit. But dvc.lock also has the hash of the data.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

import numpy as np

from pipelines.compare.labels import DATA
from pipelines.compare.runs import MATRICES, SPLITS, Runs, folder
from pipelines.compare.store import Outputs
from pixelproof.scoring.matrices import Matrices

CARDS = "results/data"  # what prepare counted
EVALUATE_AGAIN = "run `dvc repro --force` on the evaluate of that network"  # by its hashes, it is up to date
SHOWN = 3
Groups = Mapping[str, str]  # image id -> its group


def unlike_data(outputs: Outputs, runs: Runs) -> list[str]:
    """A line for each matrices.parquet and split that contradicts the data of the same revision, as far as it is here.

    Data on disk that is not what dvc.lock records is no measure of results: that it differs is said elsewhere.
    """
    lines = []
    for split in SPLITS:
        images, pixels = _indexed(outputs, split), _counted(outputs, split, runs)
        for name, seeds in runs.found.items():
            for seed, of in seeds.items():
                where = f"{folder(name, seed)}/{MATRICES}"
                found = [] if images is None else _images(split, of.get(split), images)
                found += [] if found or pixels is None else _pixels(split, of.get(split), pixels, runs)
                lines += [f"{where}: {line}" for line in found]
    return lines


def _indexed(outputs: Outputs, split: str) -> Groups | None:
    """The groups of a split's images by its index.csv; None if that is not here."""
    path = f"{DATA}/{split}"
    content = outputs.read(path, "index.csv")
    if content is None or path in outputs.unlike_lock:
        return None
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        return {row["id"]: row["group"] for row in rows}
    except (ValueError, KeyError, csv.Error):
        return {}  # of no use to evaluate either


def _counted(outputs: Outputs, split: str, runs: Runs) -> list[int] | None:
    """The labelled pixels of each class by the split's data card; None if that is not here."""
    content = outputs.read(CARDS, f"{split}.json")
    if content is None or CARDS in outputs.unlike_lock or runs.classes is None:
        return None
    try:
        found = {str(entry["name"]): int(entry["pixels"]) for entry in json.loads(content)["classes"]}
        return [found[name] for name in runs.classes.names]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []  # no card that prepare writes


def _images(split: str, found: Matrices | None, images: Groups) -> list[str]:
    """What is wrong with the images and groups of a split."""
    groups = dict(zip(found.ids, found.groups, strict=True)) if found else {}
    strange = groups.keys() - images.keys()
    moved = [name for name in groups.keys() & images.keys() if groups[name] != images[name]]
    said = [
        (images.keys() - groups.keys(), f"lacks {{}} of the {len(images)} images of {DATA}/{split}"),
        (strange, f"has {{}} images that {DATA}/{split} has not"),
        (moved, f"has {{}} images in other groups than {DATA}/{split}"),
    ]
    return [f"{split} {text.format(len(ids))} ({_some(sorted(ids))})" for ids, text in said if ids]


def _pixels(split: str, found: Matrices | None, pixels: list[int], runs: Runs) -> list[str]:
    """Whether the true pixels of each class are those that prepare counted."""
    names = runs.classes.names if runs.classes else ()
    total = found.counts.sum(axis=(0, 2)) if found else np.zeros(len(names), np.int64)
    if len(pixels) != len(total):
        return [f"{split} cannot be held against {CARDS}/{split}.json, which has not the classes of the data"]
    return [
        f"{split} has {int(have):,} true pixels of {name}, but {CARDS}/{split}.json counted {want:,}"
        for name, have, want in zip(names, total, pixels, strict=True)
        if have != want
    ]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
