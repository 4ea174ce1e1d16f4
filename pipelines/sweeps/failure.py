"""Why a point failed, in one line: what its log says of the last attempt, and where that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BEGINS = "---- an attempt begins ----\n"  # each adds to the log
STAGE = re.compile(r"^Running stage '(.+)':$", re.MULTILINE)  # DVC says so in words only
OWN = re.compile(r"^(?:error: |(?=[\w.]*Error: ))(.+)$", re.MULTILINE)  # of `run_main`, or the last of a traceback
DVCS, MOST = "ERROR: ", 4  # lines, the first of which begins so


@dataclass(frozen=True)
class Failure:
    """What went wrong, and the log that has all of it, if one has."""

    cause: str
    log: Path | None = None

    def __str__(self) -> str:
        """Both, for the terminal."""
        return self.cause if self.log is None else f"{self.cause} (all of it: {self.log})"


def cause(log: Path) -> str:
    """The error of the stage that failed, with its name; where there is none, what DVC said, or else the last line."""
    said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    *_, stage, output = ["", *STAGE.split(said.rpartition(BEGINS)[2])]
    if stage and (own := OWN.findall(output)):
        return f"{stage}: {own[-1].strip()}"
    lines = [line.strip() for line in output.split("\n") if line.strip()]
    of_dvc = [at for at, line in enumerate(lines) if line.startswith(DVCS)]
    return " ".join(lines[of_dvc[-1] :][:MOST] if of_dvc else lines[-1:]) or "no output"
