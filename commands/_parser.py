"""The parser of every command's arguments: a mistake is one line, as every other error is."""

from __future__ import annotations

import argparse
from typing import IO, Any, NoReturn

from pixelproof.core.errors import StateError


class Parser(argparse.ArgumentParser):
    """argparse's own, which would print the usage before the error, and take a full disk for good."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where all arguments are listed."""
        raise StateError(self.prog, message, f"see `{self.prog} --help`")

    def print_help(self, file: IO[str] | Any = None) -> None:
        """Print the help, or fail."""
        print(self.format_help(), end="", file=file, flush=True)
