"""Import a CVAT export, or a folder of images and masks, and write params.yaml for it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from commands._catalogue import path_from

GROUP = "data"
QUESTION = """\
compute.portable gives the same bytes on every x86-64 processor with AVX2: colleagues can rebuild every number exactly.
It rules out newer instructions, and bf16 on CPUs. Turn it on? [Y/n] """


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which export, and whether results must be portable."""
    parser.add_argument(
        "export",
        type=path_from,
        help="a .zip ('CVAT for images 1.1', with images), or its folder; or a folder with `images` beside `masks`",
    )
    parser.add_argument(
        "--portable",
        action=argparse.BooleanOptionalAction,
        help="whether other processors must give the same bytes (compute.portable); asked if left out on a terminal",
    )


def run(arguments: argparse.Namespace) -> None:
    """Import it, and print what was assumed."""
    from commands._folder import init_folder, is_folder
    from commands._init import init

    portable = arguments.portable
    if portable is None and sys.stdin.isatty():
        portable = asked(input(QUESTION))
    bring_in = init_folder if is_folder(arguments.export, Path.cwd()) else init
    print(*bring_in(arguments.export, Path.cwd(), portable), sep="\n")


def asked(answer: str) -> bool:
    """Whether an answer is yes; Enter alone is.

    Example:
        >>> [asked(answer) for answer in ("", "Yes", " n ", "no")]
        [True, True, False, False]
    """
    return not answer.strip().lower().startswith("n")
