"""Write a dataset with all processes at once, one image at a time: memory does not grow with the number of images."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from pixelproof.core.errors import DataError
from pixelproof.core.files import read_json, write_json
from pixelproof.core.progress import Progress
from pixelproof.data.dataset import Header, Sample, SplitWriter, write_header
from pixelproof.data.images import Array
from pixelproof.sources.request import Request

CHUNK = 8  # images that a process is given at a time


@dataclass(frozen=True)
class Labelled:
    """One image with its labels, as `SplitWriter.add` takes them."""

    sample: Sample
    image: Array | Path
    mask: Array
    instances: Array | None = None


def write_dataset(
    target: Path, header: Header, splits: Mapping[str, Sequence[Any]], read: Callable[[Any], Labelled], request: Request
) -> None:
    """Write a canonical dataset; the number of workers does not change a byte, nor does an interruption.

    Args:
        target: Its folder.
        header: The contents of dataset.json.
        splits: For each split what `read` needs for each image, such as paths.
        read: Reads and converts one image; a function of a module, because other processes call it.
        request: Says how many processes, and where finished images are kept until all are there.

    Raises:
        DataError: A split has two images of one id, or an image violates the format.
    """
    write_header(target, header)
    jobs = [(split, number, item) for split, items in splits.items() for number, item in enumerate(items)]
    samples: dict[str, dict[str, Sample]] = {split: {} for split in splits}
    progress = Progress(f"{header.name}: images", len(jobs))
    with _mapped(partial(_add, request.kept, target, header, read), jobs, request.workers) as written:
        for done, ((split, *_), sample) in enumerate(zip(jobs, written, strict=True), start=1):
            if sample.id in samples[split]:
                raise DataError(f"{split}/{sample.id}", "a unique id", "a duplicate", "rename one of the two images")
            samples[split][sample.id] = sample
            progress.show(done)
    for split in splits:
        for folder in (request.kept / split).glob("*") if request.kept else ():
            (target / split).mkdir(exist_ok=True)
            folder.rename(target / split / folder.name)
        SplitWriter(target, split, header, samples[split]).close()


def _add(
    kept: Path | None, target: Path, header: Header, read: Callable[[Any], Labelled], job: tuple[str, int, Any]
) -> Sample:
    """Convert one image, unless an earlier run has done so and left a note of it."""
    split, number, item = job
    note = kept / "notes" / f"{split}-{number}.json" if kept else None
    if note and note.exists():
        return Sample(**read_json(note))
    one = read(item)
    SplitWriter(kept or target, split, header).add(one.sample, one.image, one.mask, one.instances)
    if note:
        write_json(note, asdict(one.sample))  # after the image: it says that all its files are there
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
