"""`pixelproof NAME ...`: finds and calls the command; lists all of them without a name or with --help."""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the imports below are done, Ctrl-C would print a traceback

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from commands._catalogue import anchor_folders, entries, listing, load
from commands._parser import Parser
from pixelproof.core.errors import ExitCode, PixelproofError, StateError, is_full, run_main

USAGE = """usage: pixelproof COMMAND ...

{commands}

`pixelproof COMMAND --help` shows a command's arguments, `pixelproof --version` which code runs.
Exit codes: 0 good, 1 worse, 2 could not be done, 3 cannot tell.
"""


def main(argv: Sequence[str] | None = None) -> ExitCode:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["help"]:  # `help plan` is `plan --help`
        given = [*given[1:2], "--help"]
    try:
        code = _run(given)
        sys.stdout.flush()  # a full disk may show only now
        return code
    except (PixelproofError, BrokenPipeError):
        raise  # run_main tells these in one line, or ends in silence
    except OSError as error:  # a path that the user gave, a full disk
        where = str(error.filename or " ".join(["pixelproof", *given[:1]]))
        named = error.filename and not is_full(error)
        fix = "this path can be read and written" if named else "what it writes to has space left"
        raise StateError(where, error.strerror or str(error), f"check that {fix}") from None
    except RecursionError:
        found = "nested too deeply, or a part that contains itself"
        raise StateError("params.yaml, dvc.yaml or dvc.lock", found, "fix that file") from None
    except Exception:  # a fault of ours: it says nothing about the results, so it must not end with 1, "worse"
        traceback.print_exc()
        return ExitCode.NOT_DONE


def _run(given: Sequence[str]) -> ExitCode:
    if not given or given[0] in ("-h", "--help"):
        print(USAGE.format(commands=listing(entries())), end="")
        return ExitCode.GOOD
    name, *rest = given
    if name == "--version":
        from commands._version import version

        print(version(Path(__file__).parent.parent))
        return ExitCode.GOOD
    command = load(name)
    parser = Parser(
        prog=f"pixelproof {name}", description=command.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_arguments(parser)
    arguments = parser.parse_args(rest)
    anchor_folders(os.environ)
    return command.run(arguments) or ExitCode.GOOD


def enter() -> None:
    """Run as a program, also where the shell closed standard output or error, or the disk they go to is full."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # not where a shell started this in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        run_main(_with_output)
    except OSError:  # from saying so on standard error
        os._exit(ExitCode.NOT_DONE)
    finally:
        _let_go_of_output()


def _with_output() -> ExitCode:
    if sys.stdout is None:
        raise StateError("standard output", "closed", "redirect it to /dev/null if you do not want it")
    return main()


def _let_go_of_output() -> None:
    """Python flushes at exit, and prints a traceback if that fails."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # told already
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    enter()
