"""Finds trained networks on disk; for one that is missing, says what would train it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.dvc.lock import Record, read_lock
from pipelines.dvc.revision import WORKSPACE, open_revision
from pixelproof.core.errors import DataError, StateError, nearest
from pixelproof.core.files import read_json
from pixelproof.core.params import load, pick, read_yaml
from pixelproof.data.dataset import Header, read_header
from pixelproof.data.folds import folder_of
from pixelproof.nn.build import build_model, load_weights, read_config
from pixelproof.nn.runtime import Compute, set_up
from stages.configure.resolve import names
from stages.train.params import Params

PREPARED, CONFIGS, MODELS = Path("data/prepared"), Path("data/configs"), Path("models")
WEIGHTS, FACTS = "weights.safetensors", "facts.json"
NUMBERS = ("iterations", "best_iteration", "val_mIoU")  # of the facts; the last is null where nothing validates
SEEDS = range(2**63)  # those that `train.seeds` in params.yaml may have


@dataclass(frozen=True)
class Trained:
    """One architecture trained with one seed; with folds, on all of them but one."""

    arch: str
    seed: int
    config: Path
    header: Header
    facts: dict[str, Any]  # what train writes beside the weights
    fold: int | None = None  # what it did not learn from

    @property
    def name(self) -> str:
        """Its name in DVC's stages: `unet-0`."""
        return f"{self.arch}-{self.seed}"

    @property
    def told(self) -> str:
        """Its name where the seed stands apart: `unet`, or `unet-fold-2`."""
        return self.arch if self.fold is None else f"{self.arch}-fold-{self.fold}"

    @property
    def weights(self) -> Path:
        """The weights file."""
        return folder_of(MODELS / self.arch / str(self.seed), self.fold) / WEIGHTS

    @cached_property
    def params(self) -> Params:
        """The params it was trained with; an error if params.yaml has changed since."""
        params = load("train", Params)
        _check_params(self.arch, self.seed)
        return params

    def network(self, compute: Compute) -> Any:
        """The network with its weights, on the CPU, ready to predict."""
        set_up(compute)
        model = build_model(read_config(self.config), len(self.header.classes), compute)
        load_weights(model, self.weights)
        return model.eval()

    def fp32(self) -> Compute:
        """Settings to compute with it exactly: on the CPU, in fp32."""
        exact = {"device": "cpu", "precision": "fp32", "channels_last": False}
        return self.params.compute.model_copy(update=exact)


def find(arch: str, seed: int) -> Trained:
    """A trained network by its name, with its classes.

    Raises:
        StateError: it does not exist; the message lists those that do, and what would train this one. Or there are
            several, as it was trained in folds.
        DataError: it was trained on other classes than those of data/prepared.
    """
    single(arch, seed)
    return _found(arch, seed, None)


def find_one(arch: str, seed: int, fold: int | None = None) -> Trained:
    """A trained network, or of one that was trained in folds, the network that was kept from a fold.

    Raises:
        StateError: it does not exist; or there are several and no fold is named, or one and a fold is named.
        DataError: it was trained on other classes than those of data/prepared.
    """
    folds = _folds(arch, seed)
    if fold in folds or (fold is None and not folds):
        return _found(arch, seed, fold)
    if not folds:
        weights = require(arch, seed)
        raise StateError(str(weights), f"one network and no fold {fold}", "leave --fold away")
    found = f"the networks of folds {', '.join(map(str, folds))}"
    raise StateError(str(MODELS / arch / str(seed)), found, "name one with --fold; `predict` averages them")


def find_all(arch: str, seed: int) -> list[Trained]:
    """The networks of an architecture and a seed: one, or one for each fold.

    Raises:
        StateError: one does not exist.
        DataError: they were trained on other classes than those of data/prepared.
    """
    return [_found(arch, seed, fold) for fold in _folds(arch, seed) or (None,)]


def require(arch: str, seed: int, fold: int | None = None) -> Path:
    """The weights of a trained network, which have their facts beside them.

    Raises:
        StateError: they do not exist; the message lists those that do, and what would train this one. Or no network
            can have this seed.
    """
    if seed not in SEEDS:
        raise StateError(f"seed {seed}", "no such seed", f"0 to {SEEDS[-1]} are possible; trained: {_there()}")
    weights = folder_of(MODELS / arch / str(seed), fold) / WEIGHTS
    if not weights.is_file():
        fix = f"trained: {_there()}; {what_trains(arch, seed)}; `dvc pull` fetches what a remote has"
        raise StateError(str(weights), "no such file", fix)
    facts = weights.with_name(FACTS)
    if not facts.is_file():
        fix = f"train writes it beside the weights; {what_trains(arch, seed)}"
        raise StateError(str(facts), "no such file", fix)
    return weights


def facts_in(folder: Path, *keys: str) -> dict[str, Any]:
    """What train wrote beside weights.

    Args:
        folder: Theirs.
        keys: What must be there.

    Raises:
        DataError: It is damaged.
    """
    path, run = folder / FACTS, Path(*folder.parts[: len(MODELS.parts) + 2])
    try:
        found = read_json(path)
        problem = "" if isinstance(found, dict) else f"JSON that is a {type(found).__name__}"
    except (ValueError, RecursionError):  # of JSON, and of UTF-8
        problem = "a file that is no JSON"
    if not problem and (missing := [key for key in keys if key not in found]):
        problem = f"nothing about {', '.join(missing)}"
    elif not problem and (wrong := [key for key in NUMBERS if not isinstance(found.get(key), int | float | None)]):
        problem = f"no number for {', '.join(wrong)}"
    if problem:
        fix = f"`bin/python -m dvc checkout {run}` brings back those that dvc.lock records"
        raise DataError(path, "what train wrote", problem, fix)
    return dict(found)


def _there() -> str:
    """The networks that are trained."""
    paths = [*MODELS.glob(f"*/*/{WEIGHTS}"), *MODELS.glob(f"*/*/fold-*/{WEIGHTS}")]
    runs = dict.fromkeys(f"{path.parts[1]} (seed {path.parts[2]})" for path in sorted(paths))
    return ", ".join(runs) or "none"


def single(arch: str, seed: int) -> None:
    """Refuse the networks of folds, of which a command that takes one network cannot choose one.

    Raises:
        StateError: there are several.
    """
    if folds := _folds(arch, seed):
        fix = "this command takes one: train it with `prepare.split.folds: 0`; `predict` averages them"
        raise StateError(str(MODELS / arch / str(seed)), f"the networks of {len(folds)} folds", fix)


def _folds(arch: str, seed: int) -> list[int]:
    folder = MODELS / arch / str(seed)
    return (facts_in(folder).get("folds") if (folder / FACTS).is_file() else None) or []


def _found(arch: str, seed: int, fold: int | None) -> Trained:
    """One of them."""
    weights, config = require(arch, seed, fold), config_of(arch)
    found, header = facts_in(weights.parent, "classes"), read_header(PREPARED)
    if found["classes"] != header.names():
        expected = f"the classes of {PREPARED}, {header.names()}"
        raise DataError(weights, expected, str(found["classes"]), what_trains(arch, seed))
    return Trained(arch, seed, config, header, found, fold)


def config_of(arch: str) -> Path:
    """The file of an architecture's resolved config; the network need not be trained.

    Raises:
        StateError: it does not exist; the message lists those that do, and what would write this one.
    """
    path = CONFIGS / f"{arch}.json"
    if not path.is_file():
        there = [found.stem for found in sorted(CONFIGS.glob("*.json"))]
        fix = f"resolved: {', '.join(there) or 'none'}; {_what_makes(arch, None, 'configure')}"
        raise StateError(str(path), "no such file", fix)
    return path


def prepared() -> Header:
    """The header of the prepared dataset.

    Raises:
        StateError: it does not exist; the message says what would write it.
    """
    path = PREPARED / "dataset.json"
    if not path.is_file():
        fix = "run `bin/pixelproof reproduce prepare`; `dvc pull` fetches what a remote has"
        raise StateError(str(path), "no such file", fix)
    return read_header(PREPARED)


def what_trains(arch: str, seed: int) -> str:
    """What to do, as typed, so that a network is trained and evaluated."""
    return _what_makes(arch, seed, f"evaluate@{arch}-{seed}")


def _what_makes(arch: str, seed: int | None, stage: str) -> str:
    """DVC knows only the stages of the architectures and seeds in params.yaml, and refuses any other."""
    if arch not in names():
        return f"there is no architecture with this name{nearest(arch, names())}"
    values, lacking = read_yaml(Path("params.yaml")), []
    for key, wanted in (("architectures", arch), ("train.seeds", seed)):
        if wanted is not None and wanted not in pick(values, key):
            lacking.append(f"{wanted} to `{key}`")
    command = f"`bin/pixelproof reproduce {stage}`"
    return f"add {' and '.join(lacking)} in params.yaml, then {command}" if lacking else f"run {command}"


def _check_params(arch: str, seed: int) -> None:
    """If DVC trained the network, require the same params: what is reported about it includes them."""
    stage = f"train@{arch}-{seed}"
    ran = read_lock(open_revision(WORKSPACE)).stages.get(stage, Record())
    values = read_yaml(Path("params.yaml"))
    for key, value in ran.params.get("params.yaml", {}).items():
        if pick(values, key) != value:
            found = f"{key} is {pick(values, key)}, but {stage} ran with {value}"
            raise StateError("params.yaml", found, f"set it back, or {what_trains(arch, seed)}")
