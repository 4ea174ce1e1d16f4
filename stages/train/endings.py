"""How a training can end early: by a signal, for lack of memory or disk space, on a loss that is not finite.

Checkpoints are written atomically, so that whatever ends a training, the same command resumes from the last one.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pixelproof.core.errors import StateError
from pixelproof.nn.runtime import out_of_memory

SIGNALS = (signal.SIGTERM, signal.SIGINT)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
IDS_SHOWN = 16


class Stop:
    """Records SIGTERM and Ctrl-C, so that the current iteration is finished and saved; a second one ends it at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        self.before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = number
        signal.signal(number, self.before[number])


def outlive(_: int) -> None:
    """In a loader process: end when the training says so, not on a signal to the whole process group.

    The training may need more batches before it can save. If it is gone, torch's loader ends by itself.
    """
    if not hasattr(signal, "sigwaitinfo"):  # not on macOS
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=end_with_training, daemon=True).start()


def end_with_training() -> None:
    """Wait for the training's own SIGTERM."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)


TRAINING = (
    "halve train.batch and double train.accumulate, or make train.crop, or without it prepare.shape, smaller (both"
    " change the result)"
)
VALIDATION = "lower train.val_batch, or make prepare.shape smaller"


@contextmanager
def explained(batch: int, size: tuple[int, int], fix: str = TRAINING) -> Iterator[None]:
    """Say in one line what to change if memory or disk space runs out.

    Args:
        batch: how many images are passed through the network together.
        size: their width and height.
        fix: what to change if memory runs out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # CUDA's own error is a RuntimeError too
        if not out_of_memory(error):
            raise
        what = f"a batch of {batch} images of {size[0]}x{size[1]}"
        raise StateError(what, "out of memory", fix) from None
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        room = "the last finished checkpoint is kept: free some space, and run the same command again"
        raise StateError(str(error.filename or "the disk"), str(error.strerror), room) from None


def not_a_number(loss: float, iteration: int, lr: float, ids: Sequence[str]) -> StateError:
    """The error for a loss that is infinite or NaN."""
    more = f" and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
    found = f"the loss is {loss} at the learning rate {lr:.3g}, on {', '.join(ids[:IDS_SHOWN])}{more}"
    return StateError(f"iteration {iteration}", found, "lower train.optimizer.lr, set its clip, or use fp32")
