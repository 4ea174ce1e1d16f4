"""One line that says how far a training is, and when it will be done. Nothing of it is written to any file."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from stages.train.curves import Row


@dataclass
class Progress:
    """Prints at most one line in `every` seconds; a silent one prints nothing."""

    label: str
    iterations: int
    batch: int
    silent: bool = False
    every: float = 5.0
    started: float = 0.0
    first: int = 0
    last: float = 0.0

    def begin(self, iteration: int) -> None:
        """Start the clock at the iteration that the run starts or resumes from."""
        self.first, self.started, self.last = iteration, time.monotonic(), time.monotonic()

    def show(self, iteration: int, rows: list[Row], force: bool = False) -> None:
        """Print the line if it is time for it."""
        now = time.monotonic()
        if now - self.last < self.every and not force:
            return
        self.last = now
        rate = (iteration - self.first) / max(now - self.started, 1e-9)
        latest = {name: value for _, name, value in rows}
        values = [f"loss {latest['train/loss']:.3f}"] if "train/loss" in latest else []
        values += [f"val mIoU {latest['val/mIoU']:.3f}"] if "val/mIoU" in latest else []
        left = int((self.iterations - iteration) / max(rate, 1e-9))
        speed = f"{rate * self.batch:.1f} images/s, {left // 60}:{left % 60:02d} left"
        self.say(", ".join([f"iteration {iteration}/{self.iterations}", *values, speed]))

    def say(self, text: str) -> None:
        """Print a line about this run."""
        if not self.silent:
            print(f"{self.label}: {text}", file=sys.stdout, flush=True)
