"""`python -m pipelines.dvc.heal FOLDER`: what bin/python runs before DVC if its rwlock or dvc.lock looks cut off."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.dvc.graph import open_repo
from pixelproof.core.errors import run_main


def main() -> None:
    """Mend what a kill has left unreadable in a repository, if nobody is at work there."""
    with open_repo(Path(sys.argv[1])):
        pass


if __name__ == "__main__":
    run_main(main)
