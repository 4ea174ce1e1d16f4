"""Run many settings side by side, and show them in one table.

`sweep experiments/NAME.yaml` runs what is not done yet: each point is a DVC experiment of HEAD, run in a worktree of
its own. Killed at any moment and started again, it goes on. `sweep apply NAME POINT` makes a point the working tree.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from commands._arguments import positive
from commands._catalogue import path_from
from pixelproof.core.errors import ExitCode, PixelproofError, StateError

if TYPE_CHECKING:
    from pipelines.sweeps.spec import Sweep

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sweep, how many points at once, and where the pages go."""
    parser.add_argument("what", nargs="+", metavar="FILE | apply NAME POINT", help="experiments/NAME.yaml, or NAME")
    parser.add_argument(
        "--jobs", type=positive, default=1, help="how many points run side by side; default 1 (see `reproduce --help`)"
    )
    parser.add_argument(
        "--out",
        type=path_from,
        metavar="DIR",
        help="write a page, Markdown and CSV to DIR instead of printing",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Check all points before the first one runs; then run them, or apply one."""
    from pipelines.sweeps.spec import file_of, read_sweep

    first, *rest = arguments.what
    if first == "apply":
        if len(rest) != 2:
            raise StateError("sweep apply", f"{len(rest)} arguments", "expected `sweep apply NAME POINT`")
        from pipelines.sweeps.apply import apply

        apply(file_of(Path(rest[0])), rest[1])
        return ExitCode.GOOD
    if rest:
        raise StateError(f"sweep {first} {rest[0]}", "more than one sweep", "name one, or `sweep apply NAME POINT`")
    sweep = read_sweep(_path(first))
    _check(sweep)
    from pipelines.sweeps.run import run
    from pipelines.sweeps.show import show

    state = run(sweep, arguments.jobs)
    show(state, arguments.out)
    return ExitCode.NOT_DONE if state.failed else ExitCode.GOOD


def _check(sweep: Sweep) -> None:
    """Wrong settings are told before the first point runs, not by a stage hours later."""
    from ruamel.yaml import YAML

    from commands._params import checked
    from pipelines.edit import set_values

    text = Path("params.yaml").read_text(encoding="utf-8")
    for point in sweep.points:
        try:
            checked(Path.cwd(), YAML(typ="safe").load(set_values(text, point.overrides)))
        except PixelproofError as error:
            raise PixelproofError(f"sweep {sweep.name}, point {point.name}: {error}") from None


def _path(text: str) -> Path:
    """A file from where the command was typed, or the name of a sweep."""
    return path_from(text) if text.endswith((".yaml", ".yml")) else Path(text)
