"""Train on labels that were accepted in CVAT; push what came of it.

Asks the server (CVAT_HOST, CVAT_ACCESS_TOKEN, as `pixelproof cvat`) whether labels or jobs changed. If they did: adds
them in a worktree of main as it is on `origin`, runs the stages, compares with main, and pushes data, then a branch
with the new labels, dvc.lock and metrics. Where GH_TOKEN or GITLAB_TOKEN is set, `gh` or `glab` opens the pull request.
This folder stays as it is. Exits 1 where validation got worse: that branch is marked, and no pull request opened; 3
where that cannot be told: the pull request asks a human. Killed and started again, it goes on.
"""

from __future__ import annotations

import argparse

from commands._arguments import positive
from pixelproof.core.errors import ExitCode

GROUP = "run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tasks, and how long it may take."""
    parser.add_argument("--project", type=positive, action="append", default=[], help="all tasks of it; repeatable")
    parser.add_argument("--task", type=positive, action="append", default=[], help="one task; repeatable")
    parser.add_argument("--branch", default="main", help="the branch that the result is for (default: main)")
    parser.add_argument(
        "--max-hours", type=hours, metavar="HOURS", help="do not begin what `plan` says takes longer, and end it then"
    )
    parser.add_argument("--jobs", type=positive, default=1, help="how many stages run in parallel; default 1")
    parser.add_argument("--on", metavar="POOL", help="run stages on the machines of this work pool of Prefect's")


def hours(text: str) -> float:
    """A time."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found < LONGEST:
        raise argparse.ArgumentTypeError(f"expected hours, such as 0.5 or 12, found {text!r}")
    return found


LONGEST = 8760.0  # a year


def run(arguments: argparse.Namespace) -> ExitCode:
    """Retrain, and print what came of it."""
    from pipelines.retrain.retrain import Request, told
    from pixelproof.core.errors import StateError

    if not arguments.project and not arguments.task:
        raise StateError("pixelproof retrain", "neither a project nor a task", "give --project or --task")
    asked = Request(
        tuple(arguments.project), tuple(arguments.task), arguments.branch, arguments.max_hours, arguments.jobs,
        arguments.on,
    )  # fmt: skip
    return told(asked)
