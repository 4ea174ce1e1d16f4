"""A trained network as it lies on disk: its config, its weights and what its classes are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pixelproof.core.errors import DataError, StateError, nearest
from pixelproof.core.files import read_json
from pixelproof.data.dataset import Header, read_header

DATA = Path("data/prepared")
CONFIGS = Path("data/configs")


@dataclass(frozen=True)
class Trained:
    """One architecture trained from one seed."""

    config: Path
    weights: Path
    header: Header


def find(arch: str, seed: int) -> Trained:
    """A trained network by its name, with the classes that it learnt."""
    weights = Path("models") / arch / str(seed) / "weights.safetensors"
    if not weights.is_file():
        paths = sorted(Path("models").glob("*/*/weights.safetensors"))
        there = [f"{path.parts[-3]} (seed {path.parts[-2]})" for path in paths]
        near = nearest(arch, {path.parts[-3] for path in paths} - {arch})
        fix = f"trained are: {', '.join(there) or 'none'}{near}; run `dvc repro evaluate@{arch}-{seed}`, or `dvc pull`"
        raise StateError(str(weights), "no such file", fix)
    config, facts = config_of(arch), weights.with_name("facts.json")
    if not facts.is_file():
        raise StateError(
            str(facts), "no such file", f"train writes it beside the weights: `dvc repro train@{arch}-{seed}`"
        )
    header, learnt = read_header(DATA), read_json(facts)["classes"]
    if learnt != header.names():
        raise DataError(weights, f"the classes of {DATA}, {header.names()}", str(learnt), "run `dvc repro`")
    return Trained(config, weights, header)


def config_of(arch: str) -> Path:
    """The file of an architecture's resolved config."""
    path = CONFIGS / f"{arch}.json"
    if not path.is_file():
        there = [found.stem for found in sorted(CONFIGS.glob("*.json"))]
        known = f"resolved are: {', '.join(there) or 'none'}{nearest(arch, there)}"
        fix = f"{known}; name it in `architectures` of params.yaml and run `dvc repro configure`"
        raise StateError(str(path), "no such file", fix)
    return path
