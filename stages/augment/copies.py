"""Making the copies: each one a function of (seed, id, copy) alone, whoever makes it and when."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pixelproof.core.files import whole_folder
from pixelproof.core.progress import track
from pixelproof.data.dataset import (
    Header,
    Sample,
    SplitWriter,
    read_header,
    read_image,
    read_instances,
    read_mask,
    read_split,
    write_header,
)
from stages.augment import transforms
from stages.augment.params import Augment

SPLIT = "train"


def augment(prepared: Path, target: Path, params: Augment, seed: int) -> int:
    """Write the copies of the train split as a dataset of their own; returns how many."""
    read = read_header(prepared)
    header = Header("augmented", read.classes, read.sources)
    samples = read_split(prepared, SPLIT)
    with whole_folder(target) as root:
        write_header(root, header)
        writer = SplitWriter(root, SPLIT, header)
        work = partial(make_copies, prepared, root, header, params, seed)
        for made in track(_run(work, samples, params.workers), "augment: images", len(samples)):
            writer.samples.update((sample.id, sample) for sample in made)
        return len(writer.close())


def _run(work: partial[list[Sample]], samples: list[Sample], workers: int) -> Iterator[list[Sample]]:
    """Do the work here, or in several processes that start from nothing (no state of this one reaches them)."""
    if workers == 1 or len(samples) < 2:
        yield from map(work, samples)
        return
    chunk = max(1, min(32, len(samples) // (4 * workers)))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start) as pool:
        yield from pool.map(work, samples, chunksize=chunk)


def _start() -> None:
    """One thread in each process: the processes are what runs side by side."""
    cv2.setNumThreads(1)


def make_copies(prepared: Path, root: Path, header: Header, params: Augment, seed: int, sample: Sample) -> list[Sample]:
    """Write every copy of one image; returns their lines of the index."""
    image = read_image(prepared, SPLIT, sample)
    mask = read_mask(prepared, SPLIT, sample, len(header.classes))
    instances = read_instances(prepared, SPLIT, sample)
    writer = SplitWriter(root, SPLIT, header)
    none = np.zeros(mask.shape, np.uint16)
    for copy in range(1, params.copies + 1):
        rng = generator(seed, sample.id, copy)
        changed = transforms.apply(params.policy, rng, image, mask, none if instances is None else instances)
        writer.add(copy_of(sample, copy), changed[0], changed[1], None if instances is None else changed[2])
    return list(writer.samples.values())


def generator(seed: int, sample_id: str, copy: int) -> np.random.Generator:
    """The random numbers of one copy of one image."""
    return np.random.default_rng([seed, copy, *hashlib.sha256(sample_id.encode()).digest()])


def copy_of(sample: Sample, copy: int) -> Sample:
    """A copy's line of the index: its own id, its original as parent, the same group; it measures nothing."""
    return replace(sample, id=f"{sample.id}.aug{copy}", parent=sample.id, metres_per_pixel=None, x=None, y=None)
