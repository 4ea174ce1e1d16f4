"""Resolve each architecture of params.yaml into data/configs/<name>.json."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.files import whole_folder, write_json
from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from stages.configure.params import Params
from stages.configure.pretrained import pinned
from stages.configure.resolve import resolve
from stages.configure.trial import try_overrides


def main() -> None:
    """Write data/configs/."""
    argparse.ArgumentParser(prog="python -m stages.configure", description=__doc__).parse_args()
    params = load("configure", Params)
    trained, evaluated = params.configure.overrides, params.evaluate.overrides
    configs = {name: resolve(name, params.train.scale, trained.get(name)) for name in params.architectures}
    for name, config in configs.items():
        try_overrides(config, trained.get(name), evaluated.get(name))
        if first := pinned(params.train.pretrained, name):
            config["pretrained"] = first
            if "path" in first and "learnt" not in first:
                what = f"{name}: it is not known which images {first['path']} has learnt from"
                print(f"{what}; where they are of val or test, scores are too good")
    with whole_folder(Path("data/configs")) as folder:
        for name, config in configs.items():
            write_json(folder / f"{name}.json", config)
    print(f"configured {', '.join(configs)} at scale {params.train.scale}")


if __name__ == "__main__":
    run_stage(main)
