"""Add your first labelled images, and write params.yaml for them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from commands._catalogue import path_from
from commands.add import add_options, bring_in

GROUP = "data"
QUESTION = """\
compute.portable gives the same bytes on every x86-64 processor with AVX2: colleagues can rebuild every number exactly.
It rules out newer instructions, and bf16 on CPUs. Turn it on? [Y/n] """


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which export, and whether results must be portable."""
    parser.add_argument(
        "export",
        type=path_from,
        help="a .zip or a folder with labels, as CVAT and others export them; or a folder with `images` beside `masks`",
    )
    add_options(parser)
    parser.add_argument(
        "--portable",
        action=argparse.BooleanOptionalAction,
        help="whether other processors must give the same bytes (compute.portable); asked if left out on a terminal",
    )


def run(arguments: argparse.Namespace) -> None:
    """Add it, and print what was assumed."""
    portable = arguments.portable
    if portable is None and sys.stdin.isatty():
        portable = asked(input(QUESTION))
    from commands._folder import init_folder, is_folder

    if is_folder(arguments.export, Path.cwd()):
        print(*init_folder(arguments.export, Path.cwd(), portable), sep="\n")
    else:
        bring_in(arguments, [arguments.export], portable)


def asked(answer: str) -> bool:
    """Whether an answer is yes; Enter alone is.

    Example:
        >>> [asked(answer) for answer in ("", "Yes", " n ", "no")]
        [True, True, False, False]
    """
    return not answer.strip().lower().startswith("n")
