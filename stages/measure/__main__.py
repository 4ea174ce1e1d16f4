"""`python -m stages.measure --arch NAME --seed N`: measure the objects and landing sites of one network."""

from __future__ import annotations

import argparse
from pathlib import Path

from pixelproof.core.errors import StateError
from pixelproof.core.files import whole_folder, write_json
from pixelproof.core.params import load
from pixelproof.core.progress import track
from pixelproof.core.stage import run_stage
from pixelproof.data.dataset import Header, read_header, read_split
from pixelproof.data.images import write_png
from stages.measure import objects, places
from stages.measure.draw import picture
from stages.measure.params import Landing, Measure, Params
from stages.measure.read import Example, examples
from stages.measure.write import rounded, write_table

DATA = Path("data/prepared")


def main() -> None:
    """Measure the predictions of one architecture trained from one seed."""
    parser = argparse.ArgumentParser(prog="python -m stages.measure", description=__doc__)
    parser.add_argument("--arch", required=True, help="an architecture of params.yaml")
    parser.add_argument("--seed", required=True, type=int, help="one of train.seeds")
    args = parser.parse_args()
    measure(args.arch, args.seed, load("measure", Params).measure)


def measure(arch: str, seed: int, params: Measure) -> None:
    """Write results/<arch>/<seed>/measure: objects and landing sites as tables and JSON, and pictures."""
    run, rerun = Path("results") / arch / str(seed), f"dvc repro evaluate@{arch}-{seed}"
    if not (run / "evaluate").is_dir():
        raise StateError(str(run / "evaluate"), "no such folder", f"run `{rerun}`")
    header, split = read_header(DATA), params.split
    landing = params.landing if params.landing.safe else None
    if landing:
        landing.check_names(header)
    count = len(read_split(DATA, split))
    found = examples(DATA, split, run / "evaluate", len(header.classes), params.metres_per_pixel, rerun)
    tally, landings = objects.Tally(), places.Landings()
    with whole_folder(run / "measure") as out:
        for example in track(found, f"{arch} seed {seed}: {split} images measured", count):
            objects.add_image(tally, example, split, header, params.objects)
            if landing:
                land(landings, example, split, header, landing, out / "landing")
        write_table(out / "objects", objects.COLUMNS, tally.rows)
        write_table(out / "landing", places.COLUMNS, landings.rows)
        classes = objects.summary(tally, header)
        write_json(out / "summary.json", rounded({"split": split, "images": count, "classes": classes}))
        scored = {"rules": landing.model_dump(), **places.score(landings, count)} if landing else {}
        write_json(out / "landing.json", rounded({"split": split, "asked": landing is not None, **scored}))


def land(
    landings: places.Landings, example: Example, split: str, header: Header, params: Landing, pictures: Path
) -> None:
    """Find landing sites in one image; draw it if fewer than `params.pictures` are drawn."""
    spots = places.find_spots(example, split, header, params)
    places.add_spots(landings, spots, example, split, header.names())
    if len(landings.drawn) < params.pictures:
        landings.drawn.append(spots.id)
        safe = [info.id for info in header.classes if info.name in params.safe]
        write_png(pictures / f"{spots.id}.png", picture(example.image, example.labels, safe, spots))


if __name__ == "__main__":
    run_stage(main)
