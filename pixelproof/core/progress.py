"""Progress lines: updated in place on a terminal, one every 10 % in a log. Other output starts on a new line."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

T = TypeVar("T")
SECONDS = 0.2  # between two updates on a terminal
WIDTH = 80  # in columns, if the terminal does not report its own

_open: list[TextIO] = []  # the terminal that shows an unfinished progress line; at most one


class Progress:
    """Shows how much of a task is done."""

    def __init__(
        self,
        what: str,
        total: int | None,
        stream: TextIO | None = None,
        counted: Callable[[int, int | None], str] | None = None,
    ) -> None:
        """Start the clock; nothing is printed yet.

        Args:
            what: text before the count, such as `prepare: images`.
            total: the count at which the task is done; None if unknown.
            stream: where to print; stderr by default.
            counted: formats the count and the total; by default `3/72`.
        """
        self.what, self.total = what, total
        self.stream = stream or sys.stderr
        self.counted = counted or _counted
        self.terminal = self.stream.isatty()
        self.begin(0)

    def begin(self, done: int) -> None:
        """Start the clock at a count. What was done before it is left out of the rate."""
        self._first, self._started = done, time.monotonic()
        self._last, self._mark = 0.0, -1
        self._waiting: list[str] = []  # the latest line, if it has not been printed

    def rate(self, done: int) -> float:
        """How much was done per second since the clock was started."""
        return (done - self._first) / max(time.monotonic() - self._started, 1e-9)

    def show(self, done: int, details: Sequence[str] = ()) -> None:
        """Print the progress if an update is due; the last count is always printed.

        Args:
            done: the count so far.
            details: further text; if the terminal is too narrow, the last of it is dropped first.
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
        """Print the latest count if it was not printed yet, and end the line: for work that stops before its total."""
        if self._waiting:
            self._print(self._waiting)
        if self.terminal:
            end_line()

    def _due(self, done: int) -> bool:
        if done == self.total:
            return True
        if self.terminal:
            return time.monotonic() - self._last >= SECONDS
        # In a log: every tenth of the total, or whenever the count has doubled if the total is unknown.
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
    """Yield the items, and show on stderr how many of `total` are done."""
    progress = Progress(what, total)
    try:
        for done, item in enumerate(items, start=1):
            yield item
            progress.show(done)
        progress.end()
    finally:
        end_line()


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line on its own, below an unfinished progress line; on a terminal it is wrapped at spaces.

    Args:
        text: one line.
        stream: where to print; stderr by default.
    """
    stream, text = stream or sys.stderr, printable(text)
    end_line()
    if stream.isatty():
        text = textwrap.fill(text, _width(stream), break_long_words=False, break_on_hyphens=False)
    print(text, file=stream, flush=True)


def printable(text: str) -> str:
    """A text without what would command a terminal: names of files and answers of servers may hold anything.

    >>> print(printable("red: \\x1b[31m, grün"))
    red: \\x1b[31m, grün
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def end_line() -> None:
    """Start a new line if a progress line is unfinished; call this before printing to the terminal by other means."""
    while _open:
        print(file=_open.pop(), flush=True)


def shortened(parts: Sequence[str], width: int) -> str:
    """Join parts into a line of at most `width` columns, never cut inside a word; middle parts are dropped first.

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
    """The columns of a terminal, less the last one: some terminals wrap as soon as it is filled."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns or WIDTH) - 1
    except OSError:
        return WIDTH - 1
