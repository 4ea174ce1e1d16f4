"""Makes the copies; each depends on (seed, id, copy) alone, not on the process that makes it or the order."""

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
    """Write the copies of the train split as a separate dataset; return their number."""
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
    """Do the work here, or in several spawned processes, which inherit no state from this one."""
    if workers == 1 or len(samples) < 2:
        yield from map(work, samples)
        return
    chunk = max(1, min(32, len(samples) // (4 * workers)))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start) as pool:
        yield from pool.map(work, samples, chunksize=chunk)


def _start() -> None:
    """One OpenCV thread per process: the processes already run in parallel."""
    cv2.setNumThreads(1)


def make_copies(prepared: Path, root: Path, header: Header, params: Augment, seed: int, sample: Sample) -> list[Sample]:
    """Write every copy of one image; return their index entries."""
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
    """The random generator for one copy of one image."""
    return np.random.default_rng([seed, copy, *hashlib.sha256(sample_id.encode()).digest()])


def copy_of(sample: Sample, copy: int) -> Sample:
    """A copy's index entry: a new id, the original as parent, the same group, and no scale."""
    return replace(sample, id=f"{sample.id}.aug{copy}", parent=sample.id, metres_per_pixel=None, x=None, y=None)
