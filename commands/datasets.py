"""List the public datasets: contents, licences, and which are here."""

from __future__ import annotations

import argparse

GROUP = "data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to accept a licence."""
    parser.add_argument(
        "--accept", metavar="NAME", help="accept the licence of this dataset, which its page shows, once for all clones"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the list, or accept a licence."""
    from commands._datasets import accept_licence, listing

    print(accept_licence(arguments.accept) if arguments.accept else listing())
