"""Pull labels from a CVAT server, and send predictions to it to be corrected.

The server and the token come from the environment: CVAT_HOST (such as https://app.cvat.ai) and CVAT_ACCESS_TOKEN (a
personal access token, from your profile in CVAT, under Security). Certificates are always verified; one of your own
authority is trusted through REQUESTS_CA_BUNDLE or SSL_CERT_FILE.
"""

from __future__ import annotations

import argparse

from commands._arguments import positive
from commands._catalogue import path_from

GROUP = "data"
STAGES = ("annotation", "validation", "acceptance")
STATES = ("new", "in-progress", "rejected", "completed", "all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One set of arguments for each direction."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_pull(verbs.add_parser("pull", help="write what is labelled to a folder", description=_PULL))


def run(arguments: argparse.Namespace) -> None:
    """Talk to the server."""
    _VERBS[arguments.verb](arguments)


_PULL = """Write the labelled frames of tasks, with their labels, to a folder: one export ("CVAT for images 1.1") for
each task. Only frames of jobs that are completed, or in acceptance and not rejected, are taken; where jobs overlap, all
of them must be. While nothing changes on the server, the folder has the same bytes, so nothing runs again."""


def _add_pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", type=positive, action="append", default=[], help="all tasks of it; repeatable")
    parser.add_argument("--task", type=positive, action="append", default=[], help="one task; repeatable")
    parser.add_argument("--state", choices=STATES, action="append", default=[], help="jobs to take; repeatable")
    parser.add_argument("--stage", choices=STAGES, action="append", default=[], help="jobs to take; repeatable")
    parser.add_argument("--out", required=True, type=path_from, help="the folder to write: new, or one that pull wrote")


def _pull(arguments: argparse.Namespace) -> None:
    from commands._cvat.pull import Finished, pull
    from pixelproof.core.errors import StateError

    if not arguments.project and not arguments.task:
        raise StateError("pixelproof cvat pull", "neither a project nor a task", "give --project or --task")
    states = tuple(state.replace("-", " ") for state in arguments.state)
    everything = "all" in states and not arguments.stage
    finished = Finished(tuple(arguments.stage), () if "all" in states else states, everything)
    exports = pull(arguments.project, arguments.task, finished, arguments.out)
    print(f"wrote {len(exports)} exports to {arguments.out}")


_VERBS = {"pull": _pull}
