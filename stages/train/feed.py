"""Batches on their way from the loader to the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

Batch = dict[str, Tensor]


def on_device(batches: Iterable[Batch], device: str) -> Iterator[Batch]:
    """Batches on a device; on CUDA each is copied beside the computation of the one before it.

    The loader's processes start when the first batch is asked for, and so in a training that minds signals.
    """
    yield from ahead(batches) if device == "cuda" else batches


def ahead(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Batches that are copied on a stream of their own, one ahead of the one that is handed out."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    waiting: tuple[Batch, Any] | None = None
    for batch in batches:
        following = copied(batch, stream)
        if waiting is not None:
            yield arrived(*waiting)
        waiting = following
    if waiting is not None:
        yield arrived(*waiting)


def copied(batch: Batch, stream: torch.cuda.Stream) -> tuple[Batch, Any]:
    """A batch whose copy has begun, and the event of its end."""
    with torch.cuda.stream(stream):
        copies = {name: tensor.to("cuda", non_blocking=True) for name, tensor in batch.items()}
        return copies, stream.record_event()


def arrived(batch: Batch, event: Any) -> Batch:
    """The same batch for the stream that computes, which waits for the copy; the host does not."""
    current = torch.cuda.current_stream()
    current.wait_event(event)
    for tensor in batch.values():
        tensor.record_stream(current)  # its memory is not reused before the computation is done with it
    return batch
