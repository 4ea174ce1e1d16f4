"""Runs the real training command with one thing changed from outside, named by the first argument.

`keep` keeps the last checkpoint, so that a test can compare weights after the last iteration and not only the best
ones. The others send this process a real SIGKILL: `iteration:K` inside iteration K, `checkpoint:N` when the N-th
checkpoint is written but not yet in place, `validation:N` in the middle of the N-th validation. With `same` every
validation scores the same.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

import stages.models.build
import stages.train.checkpoint
import stages.train.run
import stages.train.runner
from stages.errors import run_main
from stages.train.__main__ import main


def kill() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(number: int, function: Any) -> Any:
    """A function that kills the process at its call of this number."""
    calls = itertools.count(1)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        if next(calls) == number:
            kill()
        return function(*arguments, **options)

    return wrapped


change, _, number = sys.argv.pop(1).partition(":")
if change == "keep":
    stages.train.checkpoint.Checkpoints.remove = lambda self: None  # type: ignore[method-assign]
elif change == "same":
    stages.train.run.Validation.__call__ = lambda *_: {"val/mIoU": 0.5, "val/pixel_accuracy": 0.5}  # type: ignore[method-assign]
elif change == "iteration":
    stages.train.runner.Run.note_loss = kill_at(int(number), stages.train.runner.Run.note_loss)  # type: ignore[method-assign]
elif change == "checkpoint":
    os.fsync = kill_at(int(number), os.fsync)
elif change == "validation":
    # a validation of this data set is one batch: kill when its prediction is done and its score is not
    setattr(stages.train.run, "class_ids", kill_at(int(number), stages.models.build.class_ids))  # noqa: B010
run_main(main)
