"""Runs trainings a few steps at a time, for `speed` and the benchmarks.

Each is a real training in its own process, paused where its loop asks for the next batch. While one runs, the others
are paused, including their loader workers. So they can take turns, and other load on the machine affects all of them
alike.

On a GPU a paused training also gives its cached memory back, so that each has the GPU as if alone. What it takes to get
it again is not timed: each turn begins with a few steps that do not count.
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

UNTIMED = 2  # steps at the beginning of each turn on a GPU


@dataclass(frozen=True)
class Round:
    """Some steps of a training, timed from one request for a batch to a later one."""

    steps: int
    images: int
    seconds: float
    waited: float  # the part of the seconds spent waiting for a batch
    busy: float = math.nan  # the part of the seconds in which a GPU was busy; only if a profiler saw it

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


# --- in the process that trains --------------------------------------------------------------------------------------


class Held:
    """Batches, handed out only as the other end of the line asks for them."""

    def __init__(self, batches: Iterator[Any], line: Connection) -> None:
        self.batches, self.line = batches, line
        self.asked = self.left = self.images = 0
        self.began = self.waited = 0.0
        self.profiled = False
        self.profiler: Any = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self.left:
            self.hold()
        if self.left == self.asked:
            self.begin()
        self.left -= 1
        start = time.perf_counter()
        batch = next(self.batches)
        self.waited += time.perf_counter() - start
        self.images += len(batch["inputs"])
        return batch

    def hold(self) -> None:
        """Report the steps, then wait until more are requested; a request for none ends the process."""
        on_gpu = finish_device()
        if self.asked:
            seconds = time.perf_counter() - self.began
            busy = kernel_seconds(self.profiler) if self.profiler else math.nan
            self.line.send(Round(self.asked, self.images, seconds, self.waited, busy))
        if on_gpu:
            empty_device()
        workers = psutil.Process().children(recursive=True)
        for worker in workers:
            worker.suspend()
        try:
            self.asked, self.profiled = self.line.recv()
        except EOFError:  # the other end is gone
            self.asked, self.profiled = 0, False
        finally:
            for worker in workers:
                worker.resume()
        if not self.asked:
            raise SystemExit
        self.left = self.asked + (UNTIMED if on_gpu else 0)

    def begin(self) -> None:
        """Time what follows."""
        finish_device()
        self.profiler = start_profiler() if self.profiled else None
        self.images, self.waited, self.began = 0, 0.0, time.perf_counter()


def finish_device() -> bool:
    """Wait until the GPU has finished; whether there is one."""
    import torch

    if there := torch.cuda.is_available():
        torch.cuda.synchronize()
    return there


def empty_device() -> None:
    """Give the GPU's memory that is only cached back, for the trainings whose turn it is."""
    import torch

    torch.cuda.empty_cache()


def start_profiler() -> Any:
    """Start torch's profiler of GPU activity; without a GPU it sees none."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    there = torch.cuda.is_available()
    profiler = profile(activities=[ProfilerActivity.CUDA if there else ProfilerActivity.CPU])
    profiler.start()
    return profiler


def kernel_seconds(profiler: Any) -> float:
    """How long at least one kernel or copy was running on the GPU; NaN if the profiler saw none."""
    profiler.stop()
    events = [event.time_range for event in profiler.events() if event.device_type.name == "CUDA"]
    return covered([(span.start, span.end) for span in events]) / 1e6 if events else math.nan


def covered(spans: list[tuple[float, float]]) -> float:
    """The total length that the spans cover."""
    total, until = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def hold_loops(line: Connection) -> None:
    """Pause every iteration loop that MMEngine creates in this process from now on."""
    from mmengine.runner import IterBasedTrainLoop

    make = IterBasedTrainLoop.__init__

    def make_held(loop: Any, *arguments: Any, **options: Any) -> None:
        make(loop, *arguments, **options)
        loop.dataloader_iterator = Held(loop.dataloader_iterator, line)

    IterBasedTrainLoop.__init__ = make_held


def train_in(line: Connection, folder: Path, arch: str, seed: int) -> None:
    """The training of a workspace, as `python -m stages.train` runs it there, but paused at the line."""
    os.chdir(folder)
    from pixelproof.core.params import load
    from stages.train.params import Params
    from stages.train.run import train

    train(arch, seed, load("train", Params), lambda batches: Held(batches, line))


def _serve(line: Connection, name: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """The main function of a training's process: its output is dropped, and its errors go to the parent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    multiprocessing.set_start_method(None, force=True)  # loader workers start as in any other process
    try:
        work(line, *arguments)
        line.send(StateError(name, "it ended before the requested steps", "it cannot be timed step by step"))
    except PixelproofError as error:
        line.send(error)
    except KeyboardInterrupt:
        pass  # the parent gets it too, and reports it


# --- in the process that measures ------------------------------------------------------------------------------------


class Training:
    """A training in its own process, seen from outside: `work(line, *arguments)` must pause itself at the line."""

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
        """Run this many steps; an error that ended the training is raised here."""
        with contextlib.suppress(OSError):  # it has ended; its last message can still be read
            self.line.send((steps, profiled))
        try:
            answer = self.line.recv()
        except (EOFError, OSError):
            self.process.join(10)
            found = f"its process ended with code {self.process.exitcode}"
            raise StateError(self.name, found, "see its output above") from None
        if isinstance(answer, Round):
            return answer
        raise answer

    def close(self) -> None:
        """End the process."""
        self.line.close()
        self.process.join(20)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def take_turns(trainings: dict[str, Training], rounds: int, steps: int) -> dict[str, list[Round]]:
    """Run rounds of steps of each training in turn: A B C, A B C, ..."""
    found: dict[str, list[Round]] = {name: [] for name in trainings}
    for _ in range(rounds):
        for name, training in trainings.items():
            found[name].append(training.run(steps))
    return found
