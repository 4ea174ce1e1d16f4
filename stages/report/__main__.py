"""`python -m stages.report`: reports/ for people, metrics/ and tables/ for git, from the configured runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.errors import StateError
from pixelproof.core.files import whole_folder, write_json, write_text
from pixelproof.core.leftovers import FOLDERS, PREPARED, leftovers, strays
from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from stages.report.figures import headline, per_class_csv
from stages.report.gather import gather
from stages.report.markdown import summary
from stages.report.page import render
from stages.report.params import Params
from stages.report.plots import write_plots, write_vega


def main() -> None:
    """Write reports/, metrics/ and tables/."""
    argparse.ArgumentParser(prog="python -m stages.report", description=__doc__).parse_args()
    params = load("report", Params)
    refuse_leftovers(Path(), params)
    write(Path(), params)
    print("report: reports/index.html, reports/summary.md, metrics/ and tables/")


def refuse_leftovers(root: Path, params: Params) -> None:
    """Refuse files that no stage has written, or for networks that params do not name: dvc.lock would list them."""
    runs = [f"{name}/{seed}" for name in params.architectures for seed in params.train.seeds]
    prepared = [f"{PREPARED}/{part}" for part in ("dataset.json", "train", "val", "test")]
    declared = ["results/data", *prepared, *(f"{folder}/{run}" for folder in FOLDERS for run in runs)]
    if found := leftovers(root, declared):
        what = "left over from networks or seeds that params.yaml does not name"
        raise StateError(", ".join(found), what, "run `bin/pixelproof gc`")
    if found := strays(root, declared):
        what = "found among the stages' outputs, but no stage has written it"
        raise StateError(
            ", ".join(found[:3]) + (f" and {len(found) - 3} more" if found[3:] else ""),
            what,
            "move it elsewhere or delete it",
        )


def write(root: Path, params: Params) -> None:
    """Read everything first, so that a missing result changes no folder."""
    results = gather(root, params)
    page = render(results)
    with (
        whole_folder(root / "reports") as reports,
        whole_folder(root / "metrics") as metrics,
        whole_folder(root / "tables") as tables,
    ):
        write_text(reports / "index.html", page)
        write_text(reports / "summary.md", summary(results))
        write_plots(reports / "plots", results)
        write_vega(reports / "vega.js")
        write_text(tables / "per_class.csv", per_class_csv(results))
        for name, runs in results.runs.items():
            write_json(metrics / f"{name}.json", headline(runs))


if __name__ == "__main__":
    run_stage(main)
