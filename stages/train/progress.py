"""A training's progress on the terminal: how far it is, its loss and its speed. None of it is written to a file."""

from __future__ import annotations

import sys

from pixelproof.core.progress import Progress, say
from stages.train.curves import Row


class TrainingProgress:
    """The progress line of a training, and other lines; of several processes, only the first prints."""

    def __init__(self, label: str, iterations: int, batch: int, silent: bool = False) -> None:
        self.label, self.batch, self.silent = label, batch, silent
        self.line = Progress(f"{label}: iteration", iterations, sys.stdout)

    def begin(self, iteration: int) -> None:
        """Start the clock at the iteration that the run starts or resumes from."""
        self.line.begin(iteration)

    def show(self, iteration: int, rows: list[Row]) -> None:
        """Show the progress, if an update is due."""
        if self.silent:
            return
        latest = {name: value for _, name, value in rows}
        details = [f"loss {latest['train/loss']:.3f}"] if "train/loss" in latest else []
        details += [f"val mIoU {latest['val/mIoU']:.3f}"] if "val/mIoU" in latest else []
        self.line.show(iteration, [*details, f"{self.line.rate(iteration) * self.batch:.1f} images/s"])

    def end(self) -> None:
        """End the line: the training is over, perhaps before its last iteration."""
        if not self.silent:
            self.line.end()

    def say(self, text: str) -> None:
        """Print a line about this run."""
        if not self.silent:
            say(f"{self.label}: {text}", sys.stdout)
