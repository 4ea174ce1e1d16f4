"""`bin/pixelproof speed`: what it tries, and that what it advises is what it measured."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands._speed import Setting, Trial, advice, fast_precisions, knobs, search
from pixelproof.core.params import check
from pixelproof.nn.runtime import Compute
from tests.stages.train.conftest import COMPUTE, TRAIN, Workspace

KNOBS = ("compute.threads", "compute.precision", "compute.channels_last", "train.workers")


def advise(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command in a workspace."""
    command = [sys.executable, "-m", "commands", "speed", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def advised(lines: str) -> dict[str, dict[str, object]]:
    """The lines of params.yaml in an advice."""
    (block,) = re.findall(r"In params\.yaml:\n\n(.+?)\n\n", lines, flags=re.DOTALL)
    found: dict[str, dict[str, object]] = yaml.safe_load(block)
    return found


def test_the_search_finds_the_best_value_of_each_knob() -> None:
    """On a machine whose knobs do not depend on each other, and where bf16 gains half, 4 threads half, workers lose."""
    gains = {"bf16": 1.5, 4: 1.5, 1: 0.7}
    first = Trial({"compute.threads": 2, "compute.precision": "fp32", "train.workers": 0}, 10.0, 1.0)

    def measure(settings: Sequence[Setting]) -> list[Trial]:
        ratios = []
        for setting in settings:
            gain = gains.get(setting["compute.threads"], 1.0) * gains.get(setting["compute.precision"], 1.0)
            ratios.append(gain * (0.8 if setting["train.workers"] else 1.0))
        return [Trial(setting, 10 * ratio, ratio) for setting, ratio in zip(settings, ratios, strict=True)]

    choices: dict[str, list[Any]] = {
        "compute.threads": [1, 2, 4],
        "compute.precision": ["fp32", "bf16"],
        "train.workers": [0, 2],
    }
    trials = search(first, choices, measure)
    best = {"compute.threads": 4, "compute.precision": "bf16", "train.workers": 0}
    assert [trial.ratio for trial in trials] == pytest.approx([1.0, 0.7, 1.5, 2.25, 1.8])
    assert trials[3].setting == best
    assert advised("\n".join(advice(trials))) == {
        "compute": {"threads": 4, "precision": "bf16"},
        "train": {"workers": 0},
    }
    assert advice(trials[:2]) == ["The current params are the fastest of these."]


def test_every_number_of_threads_and_a_compile_switch_are_tried() -> None:
    values = {"compute": COMPUTE, "train": TRAIN | {"compile": False}}
    assert knobs(values, 6, ["fp32"])["compute.threads"] == [1, 2, 4, 6]
    assert knobs(values, 1, ["fp32"])["compute.threads"] == [1]
    assert knobs(values, 1, ["fp32"])["train.compile"] == [False, True]
    assert tuple(knobs({"compute": COMPUTE, "train": {}}, 1, ["fp32"])) == KNOBS
    assert tuple(knobs({"compute": COMPUTE | {"portable": True}, "train": {}}, 1, ["fp32"])) == (KNOBS[0], KNOBS[3])


@pytest.mark.parametrize(("slower", "tried"), [(0.5, ["fp32", "bf16", "fp16"]), (9.0, ["fp32"])])
def test_only_precisions_that_the_machine_has_are_tried(
    slower: float, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands._speed.times_slower", lambda *_: slower)
    found = fast_precisions(check(Compute, COMPUTE))
    assert found == tried
    assert knobs({"compute": COMPUTE, "train": {}}, 1, found)["compute.precision"] == tried


def test_what_is_missing_is_one_line(workspace: Workspace) -> None:
    """An architecture without a config, no data card, no data, and an architecture without steps: no traceback."""
    root = workspace()
    unknown = advise(root, "--arch", "unett")
    assert (
        unknown.returncode == 2
        and "data/configs/unett.json: no such file; resolved: unet; there is no architecture" in unknown.stderr
    )
    card = root / "results/data/train.json"
    card.rename(card.with_suffix(".old"))
    cardless = advise(root)
    assert cardless.returncode == 2 and "results/data/train.json: expected the data card" in cardless.stderr
    (root / "data/prepared/train/index.csv").unlink()
    empty = advise(root)
    assert empty.returncode == 2 and "data/prepared: expected a dataset with a train split" in empty.stderr
    clusters = advise(workspace("k", arch="kmeans"))
    assert clusters.returncode == 2 and "kmeans (the current params): it ended" in clusters.stderr
    for failed in (unknown, cardless, empty, clusters):
        assert "Traceback" not in failed.stderr
        assert failed.stderr.count("error:") == 1


@pytest.mark.slow  # six trainings
def test_it_advises_the_fastest_of_what_it_tried(workspace: Workspace) -> None:
    """Every knob stands in the table, the advice is the row of the largest ratio, and nothing of the clone changes."""
    root = workspace()
    before = (root / "params.yaml").read_bytes()
    done = advise(root)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([^|]+:[^|]+) \| ([\d.]+) \| ([\d.]+) \|$", done.stdout, flags=re.MULTILINE)
    for knob in KNOBS:
        tried = any(knob in name for name, _, _ in rows[1:])
        assert tried or knob in ("compute.threads", "compute.precision")  # one core, no hardware: nothing to try
    best = max(rows, key=lambda row: float(row[2]))
    if best is rows[0]:
        assert "The current params are the fastest" in done.stdout
    else:
        changes = advised(done.stdout)
        assert set(best[0].split(", ")) <= {
            f"{section}.{name}: {str(value).lower() if isinstance(value, bool) else value}"
            for section, inner in changes.items()
            for name, value in inner.items()
        }
        check(Compute, COMPUTE | changes["compute"])
    assert (root / "params.yaml").read_bytes() == before
    assert not (root / "models").exists() and not (root / "results/unet").exists()
