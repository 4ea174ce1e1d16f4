"""Write a dataset with all processes at once, one image at a time: memory does not grow with the number of images."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from pixelproof.core.errors import DataError
from pixelproof.core.progress import Progress
from pixelproof.data.dataset import Header, Sample, SplitWriter, write_header
from pixelproof.data.images import Array

CHUNK = 8  # images that a process is given at a time


@dataclass(frozen=True)
class Labelled:
    """One image with its labels, as `SplitWriter.add` takes them."""

    sample: Sample
    image: Array | Path
    mask: Array
    instances: Array | None = None


def write_dataset(
    target: Path, header: Header, splits: Mapping[str, Sequence[Any]], read: Callable[[Any], Labelled], workers: int
) -> None:
    """Write a canonical dataset; the number of workers does not change a byte.

    Args:
        target: Its folder.
        header: The contents of dataset.json.
        splits: For each split what `read` needs for each image, such as paths.
        read: Reads and converts one image; a function of a module, because other processes call it.
        workers: The number of processes.

    Raises:
        DataError: A split has two images of one id, or an image violates the format.
    """
    write_header(target, header)
    jobs = [(split, item) for split, items in splits.items() for item in items]
    writers = {split: SplitWriter(target, split, header) for split in splits}
    progress = Progress(f"{header.name}: images", len(jobs))
    with _mapped(partial(_add, target, header, read), jobs, workers) as written:
        for done, ((split, _), sample) in enumerate(zip(jobs, written, strict=True), start=1):
            if sample.id in writers[split].samples:
                raise DataError(f"{split}/{sample.id}", "a unique id", "a duplicate", "rename one of the two images")
            writers[split].samples[sample.id] = sample
            progress.show(done)
    for writer in writers.values():
        writer.close()


def _add(target: Path, header: Header, read: Callable[[Any], Labelled], job: tuple[str, Any]) -> Sample:
    split, item = job
    one = read(item)
    SplitWriter(target, split, header).add(one.sample, one.image, one.mask, one.instances)
    return one.sample


@contextmanager
def _mapped(add: Callable[[Any], Sample], jobs: Sequence[Any], workers: int) -> Iterator[Iterator[Sample]]:
    """The samples in the order of the jobs, made in this process or in several."""
    if workers == 1 or len(jobs) < 2:
        yield map(add, jobs)
        return
    spawn = multiprocessing.get_context("spawn")  # the same on every system, and safe with threads
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=cv2.setNumThreads, initargs=(1,))
    try:
        yield pool.map(add, jobs, chunksize=min(CHUNK, -(-len(jobs) // workers)))
    finally:
        pool.shutdown(cancel_futures=True)
