"""Errors that the user can fix, each a one-line message: where, what was expected, what was found, what to do."""

from __future__ import annotations

import difflib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any

from pixelproof.core.progress import end_line, printable


class ExitCode(IntEnum):
    """The exit codes of commands. An inconclusive result has its own code, so it never passes for "no difference"."""

    GOOD = 0
    WORSE = 1
    NOT_DONE = 2
    CANNOT_TELL = 3


class PixelproofError(Exception):
    """Anything that the user can fix; shown as one line, never as a traceback."""

    def __reduce__(self) -> tuple[Callable[[type[PixelproofError], str], PixelproofError], tuple[Any, ...]]:
        """Pickle the message alone: the arguments that a subclass was created with are not kept."""
        return _again, (type(self), str(self))


def _again(kind: type[PixelproofError], message: str) -> PixelproofError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class ParamsError(PixelproofError):
    """A key or a value in params.yaml is invalid."""

    def __init__(self, key: str, found: str, allowed: str) -> None:
        super().__init__(f"params.yaml: {key}: found {found}; {allowed}")


class DataError(PixelproofError):
    """A file is missing or has invalid contents: of a dataset, a config, weights."""

    def __init__(self, where: Path | str, expected: str, found: str, fix: str) -> None:
        super().__init__(f"{where}: expected {expected}, found {found}; {fix}")


class FetchError(PixelproofError):
    """A file could not be downloaded, or failed verification."""

    def __init__(self, what: str, found: str, fix: str) -> None:
        super().__init__(f"{what}: {found}; {fix}")


class StateError(PixelproofError):
    """The state of the repository or of a tool does not allow the operation."""

    def __init__(self, what: str, found: str, fix: str) -> None:
        super().__init__(f"{what}: {found}; {fix}")


def nearest(name: str, names: Iterable[str]) -> str:
    """` (did you mean 'unet'?)`, or an empty string if no name is similar."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def unknown_name(key: str, name: str, names: Iterable[str]) -> ParamsError:
    """The error for a name that is not among the allowed ones; the message lists them."""
    choices = sorted(names)
    return ParamsError(key, repr(name), f"allowed: {', '.join(choices)}{nearest(name, choices)}")


def is_full(error: OSError) -> bool:
    """Whether there is no space left, or no more is allowed."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def run_main(main: Callable[[], ExitCode | None]) -> None:
    """Call a main function and exit with its code; a user's error is printed as one line and gives exit code 2.

    So is a path that cannot be read or written.
    """
    code: int | str | None
    try:
        try:
            code = main()
        except SystemExit as leaving:  # raised by argparse, for example after --help
            code = leaving.code
        sys.stdout.flush()
    except PixelproofError as error:
        sys.exit(_say(str(error), ExitCode.NOT_DONE))
    except KeyboardInterrupt:
        sys.exit(_say("interrupted", 130))
    except BrokenPipeError:  # the reader has stopped, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python prints an error at exit
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if not error.filename:  # not about a path: an error of ours
            raise
        fix = "it has space left" if is_full(error) else "this path can be read and written"
        sys.exit(_say(f"{error.filename}: {error.strerror}; check that {fix}", ExitCode.NOT_DONE))
    if code:
        sys.exit(code)


def _say(message: str, code: int) -> int:
    line = printable(" ".join(message.split()))
    end_line()
    print(f"error: {line}", file=sys.stderr, flush=True)
    return code
