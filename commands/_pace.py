"""Trainings that go a few steps at a time: what `speed` and the benchmarks measure with.

Each is a real training in a process of its own, held at the place where its loop asks for the next batch. While one
goes, the others stand still, their loader workers too: so they can take turns, and whatever else the machine does in
the meantime meets all of them alike.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from pixelproof.core.errors import PixelproofError, StateError


@dataclass(frozen=True)
class Round:
    """Some steps of a training, from one request for a batch to another."""

    steps: int
    images: int
    seconds: float
    waited: float  # the part of the seconds in which the loop had no batch
    busy: float = math.nan  # the part of the seconds in which a GPU computed; only where it was profiled

    @property
    def rate(self) -> float:
        """Images in a second."""
        return self.images / self.seconds


# --- in the process that trains --------------------------------------------------------------------------------------


class Held:
    """Batches, of which only as many are handed out as the other end of the line asks for."""

    def __init__(self, batches: Iterator[Any], line: Connection) -> None:
        self.batches, self.line = batches, line
        self.asked = self.left = self.images = 0
        self.began = self.waited = 0.0
        self.profiler: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self.left:
            self.hold()
        self.left -= 1
        start = time.perf_counter()
        batch = next(self.batches)
        self.waited += time.perf_counter() - start
        self.images += len(batch["inputs"])
        return batch

    def hold(self) -> None:
        """Say how the steps went, and stand still until more are asked for; asked for none, end the process."""
        finish_device()
        if self.asked:
            seconds = time.perf_counter() - self.began
            busy = kernel_seconds(self.profiler) if self.profiler else math.nan
            self.line.send(Round(self.asked, self.images, seconds, self.waited, busy))
        workers = psutil.Process().children(recursive=True)
        for worker in workers:
            worker.suspend()
        try:
            self.asked, profiled = self.line.recv()
        except EOFError:  # whoever asked is gone
            self.asked, profiled = 0, False
        finally:
            for worker in workers:
                worker.resume()
        if not self.asked:
            raise SystemExit
        self.profiler = start_profiler() if profiled else None
        self.left, self.images, self.waited, self.began = self.asked, 0, 0.0, time.perf_counter()


def finish_device() -> None:
    """Wait for what a GPU still has to do."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def start_profiler() -> Any:
    """Torch's profiler of what runs on the GPU."""
    from torch.profiler import ProfilerActivity, profile

    profiler = profile(activities=[ProfilerActivity.CUDA])
    profiler.start()
    return profiler


def kernel_seconds(profiler: Any) -> float:
    """How long at least one kernel or copy ran on the GPU."""
    profiler.stop()
    events = [event.time_range for event in profiler.events() if event.device_type.name == "CUDA"]
    return covered([(span.start, span.end) for span in events]) / 1e6


def covered(spans: list[tuple[float, float]]) -> float:
    """The length of what spans cover together."""
    total, until = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def hold_loops(line: Connection) -> None:
    """Hold every loop over iterations that MMEngine makes in this process from now on: ours derives from its own."""
    from mmengine.runner import IterBasedTrainLoop

    make = IterBasedTrainLoop.__init__

    def make_held(loop: Any, *arguments: Any, **options: Any) -> None:
        make(loop, *arguments, **options)
        loop.dataloader_iterator = Held(loop.dataloader_iterator, line)

    IterBasedTrainLoop.__init__ = make_held


def train_in(line: Connection, folder: Path, arch: str, seed: int) -> None:
    """The training of a workspace, as `python -m stages.train` runs it there, held."""
    os.chdir(folder)
    from pixelproof.core.params import load
    from stages.train.params import Params
    from stages.train.run import train

    hold_loops(line)
    train(arch, seed, load("train", Params))


def _serve(line: Connection, name: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """The whole of a training's process: what it prints is dropped, and what a person must know goes to the parent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    multiprocessing.set_start_method(None, force=True)  # loader workers start as they do in a process of no parent
    try:
        work(line, *arguments)
        line.send(StateError(name, "it ended without the steps that were asked for", "it cannot be timed step by step"))
    except PixelproofError as error:
        line.send(error)
    except KeyboardInterrupt:
        pass  # the parent got it too, and says so


# --- in the process that measures ------------------------------------------------------------------------------------


class Training:
    """A training in a process of its own, seen from outside: `work(line, *arguments)` must hold itself at the line."""

    def __init__(self, name: str, work: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, name, work, arguments))
        self.process.start()
        theirs.close()  # so that the end of the process is the end of the line

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, steps: int, profiled: bool = False) -> Round:
        """Let it go so many steps; what ended it instead is raised here."""
        with contextlib.suppress(OSError):  # it has ended; what it said last can still be read
            self.line.send((steps, profiled))
        try:
            answer = self.line.recv()
        except (EOFError, OSError):
            self.process.join(10)
            found = f"its process ended with code {self.process.exitcode}"
            raise StateError(self.name, found, "what it said stands above") from None
        if isinstance(answer, Round):
            return answer
        raise answer

    def close(self) -> None:
        """End it."""
        self.line.close()
        self.process.join(20)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def take_turns(trainings: dict[str, Training], rounds: int, steps: int) -> dict[str, list[Round]]:
    """So many rounds of so many steps of each training: A B C, A B C, ..."""
    found: dict[str, list[Round]] = {name: [] for name in trainings}
    for _ in range(rounds):
        for name, training in trainings.items():
            found[name].append(training.run(steps))
    return found
