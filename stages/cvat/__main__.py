"""The stage `cvat`: convert exported labels (CVAT and others) to a canonical dataset."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from stages.cvat.archive import find_exports
from stages.cvat.convert import convert
from stages.cvat.params import Params
from stages.cvat.store import convert_store, is_store


def main() -> None:
    """Read the configured exports; write data/cvat."""
    argparse.ArgumentParser(prog="python -m stages.cvat", description=__doc__).parse_args()
    params = load("cvat", Params).cvat
    folder, target = Path(params.exports), Path("data/cvat")
    if is_store(folder):
        exports, images, skipped = convert_store(folder, target, params)
    else:
        exports, images, skipped = convert(find_exports(folder), target, params)
    print(f"cvat: {images} images of {exports} exports")
    for kind, count in sorted(skipped.items()):
        print(f"cvat: {count} shapes of the kind {kind!r} skipped, as set by cvat.skip")


if __name__ == "__main__":
    run_stage(main)
