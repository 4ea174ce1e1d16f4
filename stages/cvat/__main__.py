"""The stage `cvat`: exports of CVAT ("for images 1.1") become a canonical dataset. `init` prepares your own."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.errors import run_main
from pixelproof.core.params import load
from stages.cvat.convert import convert
from stages.cvat.export import find_exports
from stages.cvat.params import Params


def main() -> None:
    """Without a command: run the stage. With `init EXPORT`: write an export's classes and place into params.yaml."""
    parser = argparse.ArgumentParser(prog="python -m stages.cvat", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    start = commands.add_parser("init", help="take your own export: copy it here and write params.yaml for it")
    start.add_argument("export", type=Path, help="a .zip from CVAT ('CVAT for images 1.1', with images), or its folder")
    arguments = parser.parse_args()
    if arguments.command == "init":
        from stages.cvat.init import init

        for line in init(arguments.export, Path.cwd()):
            print(line)
        return
    params = load("cvat", Params).cvat
    exports, images, skipped = convert(find_exports(Path(params.exports)), Path("data/cvat"), params)
    print(f"cvat: {images} images of {exports} exports")
    for kind, count in sorted(skipped.items()):
        print(f"cvat: {count} shapes of the kind {kind!r} left out, as cvat.skip says")


if __name__ == "__main__":
    run_main(main)
