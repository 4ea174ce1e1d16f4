"""The commands: each is parsed here and imported only when it is called, so that help and checks are quick."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pixelproof.core.errors import run_main


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; `call` in the parsed arguments is what runs the command, True when all is well."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", description="When and where the stages run.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = commands.add_parser("reproduce", help="run the stages that must run, as a Prefect flow")
    command.add_argument("targets", nargs="*", help="stages (`train` is all of its matrix); default: all of dvc.yaml")
    command.add_argument(
        "--jobs",
        type=_at_least_one,
        default=1,
        help="how many stages run side by side; default 1, because one training already takes 2 threads and about "
        "1 GiB: give the number of cores / 2 where memory (on a GPU: its memory) allows",
    )
    command.set_defaults(call=_reproduce)

    command = commands.add_parser("serve", help="a Prefect server, a worker and the schedule of prefect.yaml, here")
    command.add_argument("--port", type=int, default=4200, help="the server's port on 127.0.0.1; default 4200")
    command.set_defaults(call=_serve)

    command = commands.add_parser("check", help="is dvc.lock of its tree? (needs no data)")
    command.add_argument("rev", nargs="?", default="workspace", help="a branch, tag or commit; default: this tree")
    command.set_defaults(call=_check)

    command = commands.add_parser("deps", help="does dvc.yaml list the code that each stage imports?")
    command.set_defaults(call=_deps)

    command = commands.add_parser("verify", help="rebuild a commit in a clean clone: are its metrics what it gives?")
    command.add_argument(
        "revision",
        nargs="?",
        default="HEAD",
        metavar="REV",
        help="a branch, tag or commit, default HEAD; `workspace` only compares the metrics here with HEAD's",
    )
    command.add_argument(
        "--cached",
        action="store_true",
        help="restore the outputs from DVC's cache or remote and write only the metrics anew",
    )
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="write DIR/certificate.json and .md instead of printing the latter"
    )
    command.set_defaults(call=_verify)

    command = commands.add_parser(
        "compare", help="two revisions: what got better or worse, whether it is more than noise, why"
    )
    command.add_argument("base", nargs="?", help="a branch, tag or commit; default: where HEAD left main")
    command.add_argument("head", nargs="?", default="workspace", help="another one; default: the working tree")
    command.add_argument("--fail-on", choices=["regression"], help="exit 1 when a metric regressed on validation")
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="write comparison.md, .json and .html into DIR instead of printing"
    )
    command.add_argument(
        "--cross-evaluate",
        action="store_true",
        help="where val or test changed: run both revisions' networks, each with its own code, over both versions",
    )
    command.set_defaults(call=_compare)
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 1 up")
    return int(text)


def _reproduce(arguments: argparse.Namespace) -> bool:
    from pipelines.dvc.graph import check_targets

    check_targets(arguments.targets)
    from pipelines.flows.reproduce import run

    return run(arguments.targets, arguments.jobs)


def _serve(arguments: argparse.Namespace) -> bool:
    from pipelines.flows.serve import serve

    return serve(arguments.port)


def _check(arguments: argparse.Namespace) -> bool:
    from pipelines.dvc.check import check

    return check(arguments.rev)


def _deps(arguments: argparse.Namespace) -> bool:
    from pipelines.dvc.deps import deps

    return deps()


def _verify(arguments: argparse.Namespace) -> bool:
    from pipelines.verify.verify import verify

    return verify(arguments.revision, arguments.cached, arguments.out)


def _compare(arguments: argparse.Namespace) -> bool:
    from pipelines.compare.compare import Options, compare

    options = Options(arguments.out, arguments.fail_on == "regression", arguments.cross_evaluate)
    return compare(arguments.base, arguments.head, options)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; exit 1 when it found something wrong, 2 when it could not be done."""
    arguments = build_parser().parse_args(argv)
    if not arguments.call(arguments):
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
