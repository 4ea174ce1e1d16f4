"""Run one trained network over the val and test splits, and score its predictions.

If the data is in folds, there is a network for each: val holds all images of the folds, each judged by the network that
did not learn from it; those of test by all networks together, whose probabilities are averaged.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from pixelproof.core.errors import StateError
from pixelproof.core.files import read_json, whole_folder, write_json
from pixelproof.core.params import load
from pixelproof.core.stage import run_stage
from pixelproof.data.dataset import Sample, read_header, read_split
from pixelproof.data.folds import folder_of, folds_in
from pixelproof.data.learnt import first_of, groups_of
from pixelproof.nn.build import class_logits
from pixelproof.nn.precision import warn_if_slow
from pixelproof.nn.runtime import keep_freed_memory, pick_device
from stages.evaluate.detect import detector, jointly
from stages.evaluate.form import cost, usual_size
from stages.evaluate.params import Params
from stages.evaluate.predict import Tiles, build_network, load_model, predictor, window_size
from stages.evaluate.split import Network, Whole, evaluate_split
from stages.evaluate.together import together
from stages.evaluate.write import write_results

DATA = Path("data/prepared")
EVALUATED = ("val", "test")
WEIGHTS = "weights.safetensors"


def main() -> None:
    """Evaluate one architecture trained from one seed."""
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("--arch", required=True, help="an architecture of params.yaml")
    parser.add_argument("--seed", required=True, type=int, help="one of train.seeds")
    args = parser.parse_args()
    evaluate(args.arch, args.seed, load("evaluate", Params))


def evaluate(arch: str, seed: int, params: Params) -> None:
    """Write results/<arch>/<seed>/evaluate: metrics, the tables behind them, masks and certainty maps."""
    config = Path("data/configs") / f"{arch}.json"
    folds = folds_in(DATA)
    weights = [folder_of(Path("models") / arch / str(seed), fold) / WEIGHTS for fold in folds or (None,)]
    for path in (config, *weights):
        if not path.is_file():
            raise StateError(str(path), "no such file", f"run `dvc repro evaluate@{arch}-{seed}`")
    check_test(weights, read_split(DATA, "test"))
    from pixelproof.nn.deterministic import demanded

    header = read_header(DATA)
    overrides = params.evaluate.overrides.get(arch)
    samples = [sample for split in EVALUATED for sample in read_split(DATA, split)]
    settings, tiles = params.evaluate, Tiles.of(params.prepare.shape, params.evaluate, params.evaluate.batch)
    size = usual_size(samples, window_size(settings, tiles))
    warn_if_slow(params.compute, pick_device(params.compute))
    with whole_folder(Path("results") / arch / str(seed) / "evaluate") as out:
        with demanded(params.train.deterministic):
            classes = len(header.classes)
            models = [load_model(config, path, classes, params.compute, overrides) for path in weights]
            things = [info.id for info in header.classes if info.thing]
            networks = [partial(class_logits, model, compute=params.compute, device=on) for model, on in models]
            finders = [detector(model, things, params.compute, on) for model, on in models]
            whole = Whole(predictor(together(networks), settings, tiles), jointly(finders))
            each = zip(networks, finders, strict=True)
            alone = [Whole(predictor(network, settings, tiles), detect) for network, detect in each]
            judges = dict(zip(folds, alone, strict=False))
            batch = 1 if tiles else settings.batch
            if tiles:
                keep_freed_memory(largest=2**20)  # not the maps of large images
            network = Network(f"{arch} seed {seed}", whole, judges, batch, DATA, header, settings)
            write_results(out, {split: evaluate_split(network, split, out) for split in EVALUATED})
        write_json(out / "cost.json", cost(build_network(config, len(header.classes), params.compute, overrides), size))


def check_test(weights: list[Path], test: list[Sample]) -> None:
    """Refuse networks whose initial weights had learnt from test images: under another split, say."""
    groups = groups_of(test)
    for path in weights:
        if held := groups.intersection(learnt_before(path.with_name("facts.json"))):
            found = f"a network that began with weights which have learnt from groups of test: {first_of(held)}"
            fix = "set train.pretrained to others: `none`, `imagenet`, or weights promoted under this split"
            raise StateError(str(path), found, fix)


def learnt_before(facts: Path) -> list[str]:
    """What a network's initial weights had learnt from, as far as it is known."""
    if not facts.is_file():
        return []
    try:
        return list(read_json(facts).get("learnt_before", ()))
    except (ValueError, AttributeError, TypeError):
        raise StateError(str(facts), "not the facts of a training", f"run `dvc checkout {facts.parent}`") from None


if __name__ == "__main__":
    run_stage(main)
