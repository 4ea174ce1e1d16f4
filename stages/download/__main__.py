"""`python -m stages.download`: writes the dataset that params.yaml names into data/download."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import cast

from pixelproof.core.files import whole_folder
from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from pixelproof.data.dataset import read_split
from pixelproof.fetch.licences import require
from pixelproof.sources.request import Request, Source
from stages.download.archive import obtain_archives
from stages.download.kept import kept_folder
from stages.download.params import Params

TARGET = Path("data/download")
UNPACKED = ".unpacked."  # how the names of folders for archives begin


def write(params: Params, target: Path) -> str:
    """Write the configured dataset to `target`, all or nothing; return a summary in one line."""
    name = params.download.dataset
    source = cast(Source, importlib.import_module(f"pixelproof.sources.{name}"))
    facts, variant = source.FACTS, source.FACTS.variant(params.download.variant)
    if facts.consent:
        require(name, facts.licence, facts.url, os.environ)
    section = getattr(params.download, name, None)
    options = section.model_dump() if section else {}
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{UNPACKED}*"):  # of killed processes
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=UNPACKED, dir=target.parent) as beside, whole_folder(target) as folder:
        needed = facts.needed(variant)
        request = Request(params.seed, None, options, params.download.workers, variant)
        if needed:
            archive = obtain_archives(needed, Path(beside) / "archive")
            with kept_folder(name, variant, needed) as kept:
                source.convert(replace(request, archive=archive, kept=kept), folder)
        else:
            source.convert(request, folder)
        return summary(name, folder)


def summary(name: str, folder: Path) -> str:
    """How many images each split holds."""
    counts = {path.parent.name: len(read_split(folder, path.parent.name)) for path in folder.glob("*/index.csv")}
    splits = ", ".join(f"{split} {counts[split]}" for split in sorted(counts))
    return f"{name}: {sum(counts.values())} images" + (f" ({splits})" if splits else "")


def main() -> None:
    """Parse, load, write."""
    argparse.ArgumentParser(prog="python -m stages.download", description=__doc__).parse_args()
    print(write(load("download", Params), TARGET))


if __name__ == "__main__":
    run_stage(main)
