"""Pull labels from a CVAT server, send it predictions, see its state.

The server and the token come from the environment: CVAT_HOST (such as https://app.cvat.ai) and CVAT_ACCESS_TOKEN (a
personal access token, from your profile in CVAT, under Security). Certificates are always verified; one of your own
authority is trusted through REQUESTS_CA_BUNDLE or SSL_CERT_FILE.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from commands._arguments import positive, share
from commands._catalogue import path_from

GROUP = "data"
STAGES = ("annotation", "validation", "acceptance")
STATES = ("new", "in-progress", "rejected", "completed", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One set of arguments for each direction."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_pull(verbs.add_parser("pull", help="write what is labelled to a folder", description=_PULL))
    _add_label(verbs.add_parser("label", help="send predictions to be corrected", description=_LABEL))
    _add_status(verbs.add_parser("status", help="how far the labelling is", description=_STATUS))


def run(arguments: argparse.Namespace) -> None:
    """Talk to the server."""
    _VERBS[arguments.verb](arguments)


_PULL = """Add the labelled frames of tasks, with their labels, to data/annotations/, as `pixelproof add` adds exports;
or, with --out, write them to a folder: one export ("CVAT for images 1.1") for each task. Only frames of jobs that are
completed, or in acceptance and not rejected, are taken; where jobs overlap, all of them must be. While nothing changes
on the server, the bytes are the same, so nothing runs again."""


def _add_pull(parser: argparse.ArgumentParser) -> None:
    _add_tasks(parser)
    parser.add_argument("--state", choices=STATES, action="append", default=[], help="jobs to take; repeatable")
    parser.add_argument("--stage", choices=STAGES, action="append", default=[], help="jobs to take; repeatable")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--out", type=path_from, help="write a folder instead: new, or one that pull wrote")
    either.add_argument(
        "--remove", type=positive, action="append", default=[], metavar="TASK",
        help="remove the images of a task that pull says the server no longer vouches for; repeatable",
    )  # fmt: skip


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", type=positive, action="append", default=[], help="all tasks of it; repeatable")
    parser.add_argument("--task", type=positive, action="append", default=[], help="one task; repeatable")


def _check_tasks(arguments: argparse.Namespace) -> None:
    from pixelproof.core.errors import StateError

    if not arguments.project and not arguments.task:
        what = f"pixelproof cvat {arguments.verb}"
        raise StateError(what, "neither a project nor a task", "give --project or --task")


def _pull(arguments: argparse.Namespace) -> None:
    from commands._adding.add import Request, add
    from commands._adding.settings import FOLDER
    from commands._cvat.pull import Finished, pull
    from commands._cvat.scratch import scratch
    from commands._cvat.stale import held, told

    _check_tasks(arguments)
    states = tuple(state.replace("-", " ") for state in arguments.state)
    everything = "all" in states and not arguments.stage
    finished = Finished(tuple(arguments.stage), () if "all" in states else states, everything)
    if arguments.out:
        exports, _ = pull(arguments.project, arguments.task, finished, arguments.out)
        print(f"wrote {len(exports)} exports to {arguments.out}")
        return
    images, removed = held(Path(FOLDER)), [str(number) for number in arguments.remove]
    with scratch() as folder:
        exports, stale = pull(arguments.project, arguments.task, finished, folder / "pulled", held=images)
        lines = told(stale, images, removed)
        print(*add(Request(exports, removed=removed), Path.cwd()), *lines, sep="\n")


_LABEL = """Predict the frames of a task with a trained network and upload what it finds, each with its mean certainty
as its score. Classes are matched with the task's labels by name. A thing is one shape for each connected component;
what is no thing (road, grass) is one mask in each frame. Polygons are one for each component, and have no holes. Frames
that people have labelled stay as they are. A task with automatic shapes is refused unless --replace is given."""


def _add_label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", type=positive, required=True, help="the task's number")
    parser.add_argument("--arch", required=True, help="a trained architecture")
    parser.add_argument("--seed", type=int, default=0, help="the seed it was trained with (default: 0)")
    parser.add_argument("--threshold", type=share, default=0.5, help="the least mean certainty (default: 0.5)")
    parser.add_argument("--as", dest="kind", choices=("mask", "polygon"), default="mask", help="default: mask")
    parser.add_argument("--min-area", type=positive, default=64, help="the fewest pixels of a part (default: 64)")
    parser.add_argument("--replace", action="store_true", help="remove the automatic shapes that are there")
    parser.add_argument("--dry-run", action="store_true", help="count, and upload nothing")


def _label(arguments: argparse.Namespace) -> None:
    from commands._cvat.label import Request, label
    from commands._cvat.shapes import Rules

    rules = Rules(arguments.kind, arguments.threshold, arguments.min_area)
    given = arguments
    label(Request(given.task, given.arch, given.seed, rules, given.replace, given.dry_run))


_STATUS = """Say how many jobs of each task are accepted or completed. With --out, write what the server says as JSON:
the file is the same while no label and no job of these tasks changes."""


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_tasks(parser)
    parser.add_argument("--out", type=path_from, metavar="FILE", help="write what the server says of them as JSON")


def _status(arguments: argparse.Namespace) -> None:
    from commands._cvat.status import status, told
    from pixelproof.core.files import write_json

    _check_tasks(arguments)
    found = status(arguments.project, arguments.task)
    if arguments.out:
        write_json(arguments.out, found)
    print(*told(found), sep="\n")


_VERBS = {"pull": _pull, "label": _label, "status": _status}
