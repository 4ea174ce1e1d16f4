"""Write a dataset with all processes at once, one image at a time: memory does not grow with the number of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pixelproof.core.errors import DataError
from pixelproof.core.files import read_json, write_json
from pixelproof.core.pool import mapped
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
    add = partial(_add, request.kept, target, header, read)
    chunk = min(CHUNK, -(-len(jobs) // request.workers))
    with mapped(add, jobs, request.workers, max(1, chunk)) as written:
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
