"""Add your first labelled images, and write params.yaml for them.

With --propose also how to train on them: network, crop, batch, budget, losses, augmentation, folds. Each has a reason,
from the prepared data and from the time that a training step takes here. Without an export, for the data that is there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from commands._arguments import minutes
from commands._catalogue import path_from
from commands.add import add_options, bring_in
from pixelproof.core.errors import StateError

GROUP = "data"
QUESTION = """\
compute.portable gives the same bytes on every x86-64 processor with AVX2: colleagues can rebuild every number exactly.
It rules out newer instructions, and bf16 on CPUs. Turn it on? [Y/n] """


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which export, whether results must be portable, and what to propose."""
    parser.add_argument(
        "export",
        nargs="?",
        type=path_from,
        help="a .zip or a folder with labels, as CVAT and others export them; or a folder with `images` beside `masks`",
    )
    add_options(parser)
    parser.add_argument(
        "--portable",
        action=argparse.BooleanOptionalAction,
        help="whether other processors must give the same bytes (compute.portable); asked if left out on a terminal",
    )
    parser.add_argument(
        "--propose", action="store_true", help="also propose how to train on it, and why; writes nothing unasked"
    )
    parser.add_argument(
        "--minutes",
        type=minutes,
        default=30.0,
        help="for --propose: how long the training of one network may take, with all its folds (default: 30)",
    )
    parser.add_argument(
        "--write",
        action=argparse.BooleanOptionalAction,
        help="for --propose: write it into params.yaml; asked if left out on a terminal",
    )


def run(arguments: argparse.Namespace) -> None:
    """Add it, and print what was assumed; then propose, if asked."""
    if arguments.export:
        add_first(arguments)
    elif not arguments.propose:
        raise StateError("pixelproof init", "no export", "name a .zip or a folder; or --propose for data that is there")
    elif arguments.portable is not None or arguments.subset or arguments.group or arguments.replace:
        raise StateError("pixelproof init --propose", "options of an export without one", "name the export too")
    if arguments.propose:
        from commands._proposing.run import prepare, show

        if arguments.export:
            prepare(Path.cwd())
        ask = agreed if sys.stdin.isatty() else None
        print(*show(Path.cwd(), arguments.minutes, arguments.write, ask), sep="\n")


def add_first(arguments: argparse.Namespace) -> None:
    """Add the export or the folder."""
    portable = arguments.portable
    if portable is None and sys.stdin.isatty():
        portable = asked(input(QUESTION))
    from commands._folder import init_folder, is_folder

    if is_folder(arguments.export, Path.cwd()):
        refuse_options(arguments)
        print(*init_folder(arguments.export, Path.cwd(), portable), sep="\n")
    else:
        bring_in(arguments, [arguments.export], portable)


def refuse_options(arguments: argparse.Namespace) -> None:
    """Refuse what is for exports alone, where a folder of images and masks decides the same by its folders."""
    given = [f"--{name}" for name in ("group", "subset", "replace") if getattr(arguments, name)]
    if given:
        from commands._folder import GROUPED

        what, options = f"{arguments.export}, a folder of images and masks", ", ".join(given)
        found = f"{options}, which are for exports of CVAT and other tools; here {GROUPED}"
        raise StateError(what, found, f"leave out {options}")


def agreed(question: str) -> bool:
    """Whether a person agrees; who ends the input does not."""
    try:
        return asked(input(question))
    except EOFError:
        return False


def asked(answer: str) -> bool:
    """Whether an answer is yes; Enter alone is.

    Example:
        >>> [asked(answer) for answer in ("", "Yes", " n ", "no")]
        [True, True, False, False]
    """
    return not answer.strip().lower().startswith("n")
