"""A progress line: rewritten in place on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
SECONDS_TERMINAL, SECONDS_LOG = 0.2, 5.0


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield the items and say on stderr how many of `total` are done."""
    terminal = sys.stderr.isatty()
    pause, start, shown = SECONDS_TERMINAL if terminal else SECONDS_LOG, time.monotonic(), time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done == total or now - shown >= pause:
            shown, left = now, (now - start) / done * (total - done)
            line = f"{what} {done}/{total}" + (f", {left:.0f} s left" if done < total else "")
            print(f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)
    if terminal and done:
        print(file=sys.stderr, flush=True)
