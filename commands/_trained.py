"""A trained network as it lies on disk: its config, its weights, the data and the params it is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.dvc.lock import Record, read_lock
from pipelines.dvc.revision import WORKSPACE, open_revision
from pixelproof.core.errors import DataError, StateError, nearest
from pixelproof.core.files import read_json
from pixelproof.core.params import load, pick, read_yaml
from pixelproof.data.dataset import Header, read_header
from pixelproof.nn.build import build_model, load_weights, read_config
from pixelproof.nn.runtime import Compute, set_up
from stages.train.params import Params

PREPARED = Path("data/prepared")


@dataclass(frozen=True)
class Trained:
    """One architecture trained from one seed."""

    arch: str
    seed: int
    config: dict[str, Any]
    facts: dict[str, Any]  # what train wrote beside the weights
    header: Header
    params: Params

    @property
    def name(self) -> str:
        """As DVC names what makes it."""
        return f"{self.arch}-{self.seed}"

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return weights_of(self.arch, self.seed)

    def network(self, compute: Compute) -> Any:
        """The network with its weights, on the CPU, to predict with."""
        set_up(compute)
        model = build_model(self.config, len(self.header.classes), compute)
        load_weights(model, self.weights)
        return model.eval()

    def fp32(self) -> Compute:
        """How to compute with it exactly: on the CPU, in fp32."""
        exact = {"device": "cpu", "precision": "fp32", "channels_last": False}
        return self.params.compute.model_copy(update=exact)


def weights_of(arch: str, seed: int) -> Path:
    """Where train publishes weights."""
    return Path("models") / arch / str(seed) / "weights.safetensors"


def find(arch: str, seed: int) -> Trained:
    """A trained network by its name, of the data and the params that are there."""
    params = load("train", Params)
    path = weights_of(arch, seed)
    if not path.is_file():
        there = sorted(
            f"{found.parents[1].name} (seed {found.parent.name})" for found in Path("models").glob("*/*/*.safetensors")
        )
        names = [name.split()[0] for name in there]
        trained = f"trained are: {', '.join(there) or 'none'}{nearest(arch, set(names) - {arch})}"
        raise StateError(str(path), "no such file", f"{trained}; run `dvc repro evaluate@{arch}-{seed}`")
    config = read_config(Path("data/configs") / f"{arch}.json")
    facts, header = read_json(path.with_name("facts.json")), read_header(PREPARED)
    if facts["classes"] != header.names():
        raise DataError(path, f"the classes of {PREPARED}, {header.names()}", str(facts["classes"]), "run `dvc repro`")
    check_params(f"train@{arch}-{seed}")
    return Trained(arch, seed, config, facts, header, params)


def check_params(stage: str) -> None:
    """The params must be those that DVC trained with, where DVC did: what is said of a network is said of them."""
    ran = read_lock(open_revision(WORKSPACE)).stages.get(stage, Record())
    values = read_yaml(Path("params.yaml"))
    for key, value in ran.params.get("params.yaml", {}).items():
        if pick(values, key) != value:
            found = f"{key} is {pick(values, key)}, and {stage} ran with {value}"
            raise StateError(
                "params.yaml", found, f"run `dvc repro {stage.replace('train', 'evaluate')}`, or set it back"
            )
