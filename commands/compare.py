"""Show what improved or regressed between two revisions, and why.

Says for each change whether it is more than noise. Exits 2 where the head's records are stale or edited.
"""

from __future__ import annotations

import argparse

from commands._catalogue import path_from
from pixelproof.core.errors import ExitCode

GROUP = "trust"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which revisions, what fails the gate, and where the pages go."""
    parser.add_argument("base", nargs="?", help="a branch, tag or commit; default: where HEAD branched off main")
    parser.add_argument("head", nargs="?", default="workspace", help="another revision; default: the working tree")
    parser.add_argument(
        "--fail-on", choices=["regression"], help="exit 1 when validation got worse, 3 when that cannot be told"
    )
    parser.add_argument(
        "--require-evidence", action="store_true", help="like --fail-on regression, and 1 when it cannot be told"
    )
    parser.add_argument(
        "--out", type=path_from, metavar="DIR", help="write comparison.md, .json and .html to DIR instead of printing"
    )
    parser.add_argument(
        "--cross-evaluate",
        action="store_true",
        help="if val or test changed: run both revisions' networks, each with its own code, on both versions",
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="do not exit 2 where the head lacks an architecture of the base"
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Compare them."""
    from pipelines.compare.compare import Options, compare

    gate = arguments.fail_on == "regression"
    how = arguments.cross_evaluate, arguments.allow_missing, arguments.require_evidence
    return compare(arguments.base, arguments.head, Options(arguments.out, gate, *how))
