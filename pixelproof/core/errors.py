"""The few errors a person can act on, each a message of one line: what, where, expected, found, what to do."""

from __future__ import annotations

import difflib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any

from pixelproof.core.progress import end_line


class ExitCode(IntEnum):
    """How a command went. "Cannot tell" is never said as "no difference"."""

    GOOD = 0
    WORSE = 1
    NOT_DONE = 2
    CANNOT_TELL = 3


class PixelproofError(Exception):
    """Anything that the user can fix; shown as one line, never as a traceback."""

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


def run_main(main: Callable[[], ExitCode | None]) -> None:
    """Run a main and exit as it says; a person's mistake is one line on stderr and exit code 2."""
    code: int | str | None
    try:
        try:
            code = main()
        except SystemExit as leaving:  # argparse's, after it has printed help
            code = leaving.code
        sys.stdout.flush()
    except PixelproofError as error:
        sys.exit(_say(str(error), ExitCode.NOT_DONE))
    except KeyboardInterrupt:
        sys.exit(_say("interrupted", 130))
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python would complain as it ends
        sys.exit(128 + signal.SIGPIPE)
    if code:
        sys.exit(code)


def _say(message: str, code: int) -> int:
    line = " ".join(message.split())
    end_line()
    print(f"error: {line}", file=sys.stderr, flush=True)
    return code
