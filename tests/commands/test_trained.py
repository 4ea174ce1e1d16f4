"""What a command says of a network that is not trained: words that can be typed, and that DVC then does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from commands._trained import SEEDS, config_of, find
from pipelines.dvc.due import due
from pixelproof.core.errors import StateError
from stages.report.params import Seeds
from tests.workspace import make_workspace

ARCH = "ocrnet-hr48-hms"  # of README's own example; not among the architectures of params.yaml


def advice(arch: str, seed: int) -> str:
    """What `find` says to do."""
    with pytest.raises(StateError) as raised:
        find(arch, seed)
    return str(raised.value).partition("trained: none; ")[2].partition("; `dvc pull`")[0]


def follow(params: Path, text: str) -> str:
    """Edit params.yaml as an advice says; the stage that it then wants to be run."""
    values = yaml.safe_load(params.read_text())
    for item, key in re.findall(r"([\w-]+) to `([\w.]+)`", text):
        *above, last = key.split(".")
        section = values[above[0]] if above else values
        section[last].append(yaml.safe_load(item))
    params.write_text(yaml.safe_dump(values, sort_keys=False))
    (stage,) = re.findall(r"`bin/pixelproof reproduce (\S+)`", text)
    return str(stage)


def test_advice_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = make_workspace(tmp_path).folder
    monkeypatch.chdir(clone)
    params = clone / "params.yaml"
    assert advice("unet", 0) == "run `bin/pixelproof reproduce evaluate@unet-0`"
    due([follow(params, advice("unet", 0))])
    for arch, seed in ((ARCH, 0), ("unet", 3), ("segnet", 7)):
        with pytest.raises(StateError, match="no such stage"):  # what DVC says where nothing is added first
            due([f"evaluate@{arch}-{seed}"])
        text = advice(arch, seed)
        assert text.startswith("add ") and " in params.yaml, then `bin/pixelproof reproduce " in text
        stage = follow(params, text)
        assert stage == f"evaluate@{arch}-{seed}"
        due([stage])
        assert advice(arch, seed) == f"run `bin/pixelproof reproduce {stage}`"
    with pytest.raises(StateError, match=r"^data/configs/fcn8s\.json: .*; add fcn8s to `architectures` in") as raised:
        config_of("fcn8s")
    due([follow(params, str(raised.value))])
    assert advice("ocrnet-hr48-hm", 0) == f"there is no architecture with this name (did you mean {ARCH!r}?)"


def test_a_seed_that_params_refuse_is_named_with_those_that_are_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No advice to add it: nothing trains with it. The bounds are those of `train.seeds`."""
    monkeypatch.chdir(tmp_path)
    first, last = SEEDS[0], SEEDS[-1]
    assert Seeds(seeds=[first, last]).seeds == [first, last]
    weights = tmp_path / "models/unet/3/weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    for seed in (first - 1, last + 1):
        with pytest.raises(ValidationError):
            Seeds(seeds=[seed])
        said = rf"^seed {seed}: no such seed; 0 to {last} are possible; trained: unet \(seed 3\)$"
        with pytest.raises(StateError, match=said):
            find("unet", seed)
