"""The few errors a person can act on, each a message of one line: what, where, expected, found, what to do."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class PixelproofError(Exception):
    """Anything a person can mend; shown as one line, never as a traceback."""

    def __reduce__(self) -> tuple[Callable[[type[PixelproofError], str], PixelproofError], tuple[Any, ...]]:
        """Travel between processes as the message: each error's own arguments are gone by then."""
        return _again, (type(self), str(self))


def _again(kind: type[PixelproofError], message: str) -> PixelproofError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class ParamsError(PixelproofError):
    """params.yaml says something that a stage cannot accept."""

    def __init__(self, key: str, found: str, allowed: str) -> None:
        super().__init__(f"params.yaml: {key}: found {found}; {allowed}")


class DataError(PixelproofError):
    """A file of a dataset is not what the contract says."""

    def __init__(self, where: Path | str, expected: str, found: str, fix: str) -> None:
        super().__init__(f"{where}: expected {expected}, found {found}; {fix}")


class FetchError(PixelproofError):
    """Something could not be downloaded or is not what it should be."""

    def __init__(self, what: str, found: str, fix: str) -> None:
        super().__init__(f"{what}: {found}; {fix}")


class StateError(PixelproofError):
    """The repository or a tool is in a state that does not allow what was asked."""

    def __init__(self, what: str, found: str, fix: str) -> None:
        super().__init__(f"{what}: {found}; {fix}")


def nearest(name: str, names: Iterable[str]) -> str:
    """` (did you mean 'unet'?)`, or nothing when no name is near."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def unknown_name(key: str, name: str, names: Iterable[str]) -> ParamsError:
    """The error for a name that must be one of a list: the list is in the message."""
    choices = sorted(names)
    return ParamsError(key, repr(name), f"allowed: {', '.join(choices)}{nearest(name, choices)}")


def run_main(main: Callable[[], None]) -> None:
    """Run a stage's or a command's main; a person's mistake is one line on stderr and exit code 2."""
    try:
        main()
    except PixelproofError as error:
        sys.exit(_say(str(error), 2))
    except KeyboardInterrupt:
        sys.exit(_say("interrupted", 130))


def _say(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"error: {line}", file=sys.stderr, flush=True)
    return code
