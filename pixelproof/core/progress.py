"""The progress line: rewritten in place on a terminal, a line every 10 % in a log. Other lines are not glued to it."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

T = TypeVar("T")
SECONDS = 0.2  # between two rewrites on a terminal
WIDTH = 80  # of a terminal that does not know its own

_open: list[TextIO] = []  # the terminal whose last line is a progress line; at most one


class Progress:
    """How far one piece of work is."""

    def __init__(
        self,
        what: str,
        total: int | None,
        stream: TextIO | None = None,
        counted: Callable[[int, int | None], str] | None = None,
    ) -> None:
        """Start the clock; nothing is printed yet.

        Args:
            what: stands before the count, such as `prepare: images`.
            total: at which count the work is done; None if unknown.
            stream: where to print; stderr by default.
            counted: formats the count and the total; by default `3/72`.
        """
        self.what, self.total = what, total
        self.stream = stream or sys.stderr
        self.counted = counted or _counted
        self.terminal = self.stream.isatty()
        self.begin(0)

    def begin(self, done: int) -> None:
        """Start the clock at a count: what was done before counts for no rate."""
        self._first, self._started = done, time.monotonic()
        self._last, self._mark = 0.0, -1
        self._waiting: list[str] = []  # the line of the latest count, where it was not due

    def rate(self, done: int) -> float:
        """How many are done in a second."""
        return (done - self._first) / max(time.monotonic() - self._started, 1e-9)

    def show(self, done: int, details: Sequence[str] = ()) -> None:
        """Say how far it is, if it is time to; the last count always is.

        Args:
            done: how many are done.
            details: what else to say; dropped from the last on where a terminal is too narrow.
        """
        parts = [f"{self.what} {self.counted(done, self.total)}", *details]
        if self.total is not None and done < self.total:
            left = int((self.total - done) / max(self.rate(done), 1e-9))
            parts.append(f"{left // 60}:{left % 60:02d} left")
        if self._due(done):
            self._print(parts)
        else:
            self._waiting = parts
        if done == self.total:
            end_line()

    def end(self) -> None:
        """Say the latest count, if that was not said, and leave the line: for work that ends before its total."""
        if self._waiting:
            self._print(self._waiting)
        if self.terminal:
            end_line()

    def _due(self, done: int) -> bool:
        if done == self.total:
            return True
        if self.terminal:
            return time.monotonic() - self._last >= SECONDS
        # Every tenth of a known total; of an unknown one every doubling.
        mark = 10 * done // self.total if self.total else done.bit_length()
        due = mark > self._mark
        self._mark = max(mark, self._mark)
        return due

    def _print(self, parts: Sequence[str]) -> None:
        self._last, self._waiting = time.monotonic(), []
        if self.terminal:
            print(f"\r\x1b[K{shortened(parts, _width(self.stream))}", end="", file=self.stream, flush=True)
            _open[:] = [self.stream]
        else:
            print(", ".join(parts), file=self.stream, flush=True)


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield the items and say on stderr how many of `total` are done."""
    progress = Progress(what, total)
    try:
        for done, item in enumerate(items, start=1):
            yield item
            progress.show(done)
        progress.end()
    finally:
        end_line()


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line beside a progress line: below it, and on a terminal wrapped at words.

    Args:
        text: one line.
        stream: where to print; stderr by default.
    """
    stream = stream or sys.stderr
    end_line()
    if stream.isatty():
        text = textwrap.fill(text, _width(stream), break_long_words=False, break_on_hyphens=False)
    print(text, file=stream, flush=True)


def end_line() -> None:
    """Begin a new line where a progress line stands open; whoever prints to a terminal in between calls this first."""
    while _open:
        print(file=_open.pop(), flush=True)


def shortened(parts: Sequence[str], width: int) -> str:
    """Parts as one line no wider than a terminal, never cut inside a word; the first and the last part stay longest.

    >>> shortened(["unet: 3/72", "loss 0.61", "0:20 left"], 40)
    'unet: 3/72, loss 0.61, 0:20 left'
    >>> shortened(["unet: 3/72", "loss 0.61", "0:20 left"], 30)
    'unet: 3/72, 0:20 left'
    >>> shortened(["unet: 3/72", "loss 0.61", "0:20 left"], 15)
    'unet: 3/72, ...'
    """
    kept = list(parts)
    while len(kept) > 2 and len(", ".join(kept)) > width:
        del kept[-2]
    return textwrap.shorten(", ".join(kept), width, placeholder=" ...")


def _counted(done: int, total: int | None) -> str:
    return f"{done}" if total is None else f"{done}/{total}"


def _width(stream: TextIO) -> int:
    """The columns of a terminal but the last, after which some go to the next line."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns or WIDTH) - 1
    except OSError:
        return WIDTH - 1
