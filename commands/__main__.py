"""`pixelproof NAME ...`: finds and calls the command; lists all of them without a name or with --help."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from commands._catalogue import entries, listing, load
from pixelproof.core.errors import ExitCode, PixelproofError, StateError, run_main

USAGE = """usage: pixelproof COMMAND ...

{commands}

`pixelproof COMMAND --help` shows a command's arguments.
Exit codes: 0 good, 1 worse, 2 could not be done, 3 cannot tell.
"""


def main(argv: Sequence[str] | None = None) -> ExitCode:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or given[0] in ("-h", "--help", "help"):
        print(USAGE.format(commands=listing(entries())), end="")
        return ExitCode.GOOD
    name, *rest = given
    command = load(name)
    parser = argparse.ArgumentParser(
        prog=f"pixelproof {name}", description=command.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_arguments(parser)
    arguments = parser.parse_args(rest)
    try:
        return command.run(arguments) or ExitCode.GOOD
    except (PixelproofError, BrokenPipeError):
        raise  # run_main tells these in one line, or ends in silence
    except OSError as error:  # a path that the user gave, a full disk
        where, found = str(error.filename or f"pixelproof {name}"), error.strerror or str(error)
        raise StateError(where, found, "check that this path can be read and written") from None
    except Exception:  # a fault of ours: it says nothing about the results, so it must not end with 1, "worse"
        traceback.print_exc()
        return ExitCode.NOT_DONE


if __name__ == "__main__":
    run_main(main)
