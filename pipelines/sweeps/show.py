"""Prints the table of a sweep, or writes it into a folder: index.html, sweep.md, sweep.csv and differences.csv."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.dvc.graph import open_repo
from pipelines.params import load_pipelines
from pipelines.sweeps.page import as_page
from pipelines.sweeps.pictures import strips
from pipelines.sweeps.results import results
from pipelines.sweeps.run import State
from pipelines.sweeps.table import as_csv, as_markdown, differences_csv, headline
from pixelproof.core.files import write_text


def show(state: State, out: Path | None) -> None:
    """Print it, or write all of it."""
    with open_repo() as repo:
        found = results(repo, state.sweep, state.done, load_pipelines().compare)
        if out is None:
            print(as_markdown(state, found), end="")
            return
        pictures = strips(repo, found.rows, [point.name for point in state.sweep.points])
        write_text(out / "index.html", as_page(state, found, pictures))
    write_text(out / "sweep.md", as_markdown(state, found))
    write_text(out / "sweep.csv", as_csv(state, found))
    write_text(out / "differences.csv", differences_csv(found))
    print(out / "index.html")
    print(f"{headline(state, found)}; sweep.md, sweep.csv and differences.csv beside it", file=sys.stderr)
