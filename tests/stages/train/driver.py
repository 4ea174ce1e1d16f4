"""Runs the real training command with one thing changed from outside, named by the first argument.

`keep` keeps the last checkpoint, so that a test can compare weights after the last iteration and not only the best
ones. The others send this process a real SIGKILL: `iteration:K` inside iteration K, `checkpoint:N` when the N-th
checkpoint is written but not yet in place, `validation:N` in the middle of the N-th validation. With `same` every
validation scores the same. `TERM:K` and `INT:K` are signals in iteration K; `diverge:K` makes all weights infinite
before it, `memory:K` lets it map no more memory, and with `disk:N` the N-th checkpoint does not fit on the disk.
"""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

import pixelproof.nn.build
import stages.train.checkpoint
import stages.train.learner
import stages.train.loop
import stages.train.run
from pixelproof.core.errors import run_main
from stages.train.__main__ import main
from stages.train.optimizer import set_learning_rate


def kill(*_: Any) -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(number: int, action: Any, function: Any) -> Any:
    """A function that does something else too, before its call of this number."""
    calls = itertools.count(1)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if next(calls) == number:
            action(*arguments)
        return function(*arguments, **options)

    return wrapped


def diverge(optimizer: Any, _: float) -> None:
    """Make all weights infinite."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.data.fill_(float("inf"))


def no_memory(*_: Any) -> None:
    """Let this process map next to nothing more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**16,) * 2)


def no_disk(*_: Any) -> None:
    """Let no file of this process grow beyond 100 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000,) * 2)


change, _, number = sys.argv.pop(1).partition(":")
if change == "keep":
    stages.train.checkpoint.Checkpoints.remove = lambda self: None  # type: ignore[method-assign]
elif change == "same":
    stages.train.run.Validation.__call__ = lambda *_: {"val/mIoU": 0.5, "val/pixel_accuracy": 0.5}  # type: ignore[method-assign]
elif change == "iteration":
    stages.train.loop.Run.note = before(int(number), kill, stages.train.loop.Run.note)  # type: ignore[method-assign]
elif change in ("TERM", "INT"):
    send: Any = lambda *_: os.kill(os.getpid(), signal.Signals[f"SIG{change}"])  # noqa: E731
    stages.train.loop.Run.note = before(int(number), send, stages.train.loop.Run.note)  # type: ignore[method-assign]
elif change in ("diverge", "memory"):
    action = diverge if change == "diverge" else no_memory
    setattr(stages.train.learner, "set_learning_rate", before(int(number), action, set_learning_rate))  # noqa: B010
elif change == "disk":
    save = stages.train.checkpoint.Checkpoints.save
    stages.train.checkpoint.Checkpoints.save = before(int(number), no_disk, save)  # type: ignore[method-assign]
elif change == "checkpoint":
    os.fsync = before(int(number), kill, os.fsync)
elif change == "validation":
    # a validation of this data set is one batch: kill when its prediction is done and its score is not
    setattr(stages.train.run, "class_ids", before(int(number), kill, pixelproof.nn.build.class_ids))  # noqa: B010
run_main(main)
