"""Notes which files a stage's process and its workers open; stands on PYTHONPATH in the audited run alone.

Python imports a module of this name as it starts, so that worker processes are watched as well. One line for each file:
`read` or `write`, a tab, the absolute path.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def watch(log: int) -> None:
    """Write a line into `log` for each file that is opened and each that is renamed."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
            line("write" if writes else "read", path)
        elif event == "os.rename":
            line("write", arguments[1])

    def line(what: str, path: str | bytes) -> None:
        os.write(log, f"{what}\t{os.path.join(os.getcwd(), os.fsdecode(path))}\n".encode())  # noqa: PTH109, PTH118

    sys.addaudithook(note)


# DVC names the stage to the command that it runs. One write of a short line at the end of a file is not torn.
if "DVC_STAGE" in os.environ and "PIXELPROOF_AUDIT" in os.environ:
    name = os.path.join(os.environ["PIXELPROOF_AUDIT"], os.environ["DVC_STAGE"])  # noqa: PTH118
    watch(os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
