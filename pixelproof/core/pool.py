"""Work in several processes, which inherit no state from this one and end with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pixelproof.core.alive import follow_parent

Job = TypeVar("Job")
Result = TypeVar("Result")


@contextmanager
def mapped(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, chunk: int = 1
) -> Iterator[Iterator[Result]]:
    """The results in the order of the jobs, made in this process or in several; an error drops the jobs not yet begun.

    Args:
        work: what to do with a job.
        jobs: the jobs.
        workers: the number of processes; with one, or one job, the work is done here.
        chunk: how many jobs a process is given at once.
    """
    if workers == 1 or len(jobs) < 2:
        yield map(work, jobs)
        return
    spawn = multiprocessing.get_context("spawn")  # the same on every system, and safe with threads
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start)
    try:
        yield pool.map(work, jobs, chunksize=chunk)
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    """One OpenCV thread per process: the processes already run in parallel."""
    import cv2

    follow_parent()
    cv2.setNumThreads(1)
