"""Starts again what was killed, but not for ever: what ends again and again has a reason of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

from pixelproof.core.errors import StateError
from pixelproof.core.progress import say

LIVES = 5  # what ends so often within some minutes is not started again
SECONDS_OF_LIVES = 300


def again_and_again(name: str, once: Callable[[bool], StateError]) -> NoReturn:
    """Call a function for ever.

    Args:
        name: of what it does, for people.
        once: works until something has ended by itself, and returns what that was; it is told whether this is the
            first time.

    Raises:
        StateError: it never starts, or ends too often.
    """
    ends: list[float] = []
    while True:
        try:
            error = once(not ends)
        except StateError as found:
            if not ends:
                raise
            error = found  # killed again while it was starting
        ends = [*ends, time.monotonic()][-LIVES:]
        if len(ends) == LIVES and ends[-1] - ends[0] < SECONDS_OF_LIVES:
            raise error
        say(f"{name}: {error}; started again")
