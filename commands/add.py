"""Add labelled images: exports of CVAT and others, or server tasks.

Each export replaces what earlier ones said about its tasks; images that are there keep their ids and their splits.
Adding an export again changes nothing. DVC keeps the versions of data/annotations/.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from commands._catalogue import path_from
from pixelproof.core.errors import StateError

GROUP = "data"
SPLITS = ("train", "val", "test", "unsplit")
GROUPS = ("folder", "task", "subset", "export", "image")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which exports, and what they do not say themselves."""
    parser.add_argument(
        "exports", nargs="+", type=source, metavar="EXPORT.zip|FOLDER|cvat:TASK",
        help="a .zip or a folder with labels; or a task of a CVAT server (cvat:12, cvat:project/3)",
    )  # fmt: skip
    add_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and write nothing")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `init` takes too."""
    parser.add_argument(
        "--subset", type=subset, action="append", default=[], metavar="NAME=SPLIT",
        help=f"the split ({', '.join(SPLITS)}) of a subset that has another name; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--group", type=group, metavar="|".join((*GROUPS, "regex:PATTERN", "file:PATH")),
        help="what must stay in one split; of the first images only (default: folder, else image)",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="append", default=[], metavar="TASK",
        help="a task whose labels give way to those that another task has for the same picture; repeatable",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Add them, and print what changed."""
    bring_in(arguments, arguments.exports, dry=arguments.dry_run)


def bring_in(
    arguments: argparse.Namespace, exports: list[str | Path], portable: bool | None = None, dry: bool = False
) -> None:
    """Add exports, and print what changed."""
    from commands._adding.add import Request, add
    from commands._adding.sources import grouping_of

    by, table = grouping_of(arguments.group)
    ask = answer if sys.stdin.isatty() else None
    asked = Request(exports, dict(arguments.subset), by, table, arguments.replace, portable, dry, ask)
    print(*add(asked, Path.cwd()), sep="\n")


def answer(question: str) -> str:
    """What a person answers."""
    try:
        return input(question)
    except EOFError:
        raise StateError("the question", "no answer", "answer it, or give --subset NAME=SPLIT") from None


def source(text: str) -> str | Path:
    """A path from where the command was typed, or a task of a server."""
    return text if text.startswith("cvat:") else path_from(text)


def subset(text: str) -> tuple[str, str]:
    """A subset's name and its split."""
    name, _, split = text.rpartition("=")
    if not name or split not in SPLITS:
        raise argparse.ArgumentTypeError(f"expected NAME=SPLIT with one of {', '.join(SPLITS)}, found {text!r}")
    return name, split


def group(text: str) -> str:
    """What images are grouped by."""
    kind, _, value = text.partition(":")
    if text not in GROUPS and not (kind in ("regex", "file") and value):
        allowed = ", ".join((*GROUPS, "regex:PATTERN", "file:PATH"))
        raise argparse.ArgumentTypeError(f"expected one of {allowed}, found {text!r}")
    return text
