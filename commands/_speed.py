"""Tries settings by training with them, one after another; commands/speed.py says what for."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commands._pace import Training, take_turns, train_in
from commands._trained import PREPARED, config_of
from pixelproof.core.errors import DataError
from pixelproof.core.machine import usable_cores
from pixelproof.core.params import load, pick, read_yaml
from pixelproof.core.portable import start_again_capped
from pixelproof.core.progress import say
from pixelproof.core.table import markdown_table
from pixelproof.data import dataset
from pixelproof.nn.precision import SAID_FROM, times_slower
from pixelproof.nn.runtime import Compute, pick_device
from stages.train.params import Params

Setting = dict[str, Any]  # key path -> value
LINKED = (
    ".pixelproof",
    "data",
    "dvc.yaml",
    "pixelproof",
    "results/data",
    "stages",
)  # what a training reads, besides params.yaml
WARM_UP, ROUNDS = 3, 3
ROUND_SECONDS, MOST_STEPS = 1.5, 50
NOISE = 1.03  # a smaller gain may be noise
ENDLESS = 1_000_000  # iterations: no validation or checkpoint gets in the way


@dataclass(frozen=True)
class Trial:
    """A setting, its images per second, and the ratio to the current params in the same rounds."""

    setting: Setting
    rate: float
    ratio: float


def speed(name: str | None) -> None:
    """Measure, and print a table and the params to set."""
    params = load("train", Params)  # reports a mistake in params.yaml before anything is timed
    if params.compute.portable:
        start_again_capped()  # as trainings will be
    values = read_yaml(Path("params.yaml"))
    arch = name or pick(values, "architectures")[0]
    check_inputs(arch)
    choices = knobs(values, usable_cores(), fast_precisions(params.compute))
    present = {key: pick(values, key) for key in choices}
    with tempfile.TemporaryDirectory(prefix="pixelproof-") as folder, Stopwatch(Path(folder), arch, values) as watch:
        trials = search(watch.first(present), choices, watch.measure)
    print(*trials_table(arch, values, trials), "", *advice(trials), sep="\n")


def check_inputs(arch: str) -> None:
    """Require what a training reads."""
    config_of(arch)
    for root in (PREPARED, Path("data/augmented")):
        if not (root / "train/index.csv").is_file():
            raise DataError(root, "a dataset with a train split", "none", "run `dvc repro augment`")
    if not (card := Path("results/data/train.json")).is_file():
        raise DataError(card, "the data card of the training split", "no such file", "run `dvc repro prepare`")


def fast_precisions(compute: Compute) -> list[str]:
    """fp32, and those for which the device has hardware."""
    device = pick_device(compute)
    others = (compute.model_copy(update={"precision": name}) for name in ("bf16", "fp16"))
    return ["fp32", *(other.precision for other in others if times_slower(other, device) < SAID_FROM)]


def knobs(values: dict[str, Any], cores: int, precisions: Sequence[str]) -> dict[str, list[Any]]:
    """`key path -> the values to try`, in the order in which they are tried.

    `compute.portable` allows one precision and one memory format.
    """
    threads = sorted({1, cores, *(2**power for power in range(cores.bit_length()) if 2**power <= cores)})
    tried: dict[str, list[Any]] = {
        "compute.threads": threads,
        "compute.precision": list(precisions),
        "compute.channels_last": [False, True],
        "train.workers": [0, 2],
    }
    if values["compute"].get("portable"):
        tried = {key: tried[key] for key in ("compute.threads", "train.workers")}
    switches = [f"{section}.compile" for section in ("compute", "train") if "compile" in values[section]]
    return tried | {key: [False, True] for key in switches}


def search(
    first: Trial, choices: dict[str, list[Any]], measure: Callable[[Sequence[Setting]], list[Trial]]
) -> list[Trial]:
    """Greedy: each setting in turn, the others at the best so far. The first of the trials is the current params."""
    best, trials = first, [first]
    for key, options in choices.items():
        found = measure([best.setting | {key: option} for option in options if option != best.setting[key]])
        trials += found
        best = max([best, *found], key=lambda trial: trial.ratio)
    return trials


class Stopwatch:
    """Times settings in turn with the current params, whose training is kept from the first to the last."""

    def __init__(self, folder: Path, arch: str, values: dict[str, Any]) -> None:
        self.folder, self.arch, self.values = folder, arch, values
        self.trials = 0
        self.reference = self.start({})
        self.steps = 1

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.reference.close()

    def start(self, setting: Setting) -> Training:
        """Start the training of a setting."""
        self.trials += 1
        workspace = make_workspace(self.folder / str(self.trials), self.values, setting)
        name = f"{self.arch} ({described(setting) or 'the current params'})"
        say(f"speed: {name}")
        return Training(name, train_in, workspace, self.arch, 0)

    def first(self, present: Setting) -> Trial:
        """Time the current params, and decide how many steps make a round."""
        self.reference.run(WARM_UP)
        seconds = self.reference.run(2).seconds / 2
        self.steps = min(max(round(ROUND_SECONDS / seconds), 1), MOST_STEPS)
        return Trial(present, statistics.median(self.reference.run(self.steps).rate for _ in range(ROUNDS)), 1.0)

    def measure(self, settings: Sequence[Setting]) -> list[Trial]:
        """Time settings, each in its own process, all in turn with the current params."""
        with contextlib.ExitStack() as stack:
            others = [stack.enter_context(self.start(setting)) for setting in settings]
            for other in others:
                other.run(WARM_UP)
            trainings = {"": self.reference} | {str(number): other for number, other in enumerate(others)}
            present, *found = take_turns(trainings, ROUNDS, self.steps).values()
        return [
            Trial(
                setting,
                statistics.median(each.rate for each in rounds),
                statistics.median(each.rate / base.rate for each, base in zip(rounds, present, strict=True)),
            )
            for setting, rounds in zip(settings, found, strict=True)
        ]


def make_workspace(folder: Path, values: dict[str, Any], setting: Setting) -> Path:
    """A folder with links to what a training reads, and its own params: a training writes beside its inputs."""
    Path(".pixelproof").mkdir(exist_ok=True)  # the cache that trainings share; its keys contain the params
    for name in LINKED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(Path(name).resolve())
    endless = {"train.iterations": ENDLESS, "train.val_interval": ENDLESS, "train.checkpoint_interval": ENDLESS}
    whole = {key: value * pick(values, "train.accumulate") for key, value in endless.items()}
    (folder / "params.yaml").write_text(yaml.safe_dump(changed(values, whole | setting)))
    return folder


def changed(values: dict[str, Any], setting: Setting) -> dict[str, Any]:
    """A copy of params with other values at some key paths `section.name`."""
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for path, value in setting.items():
        section, name = path.split(".")
        copy[section][name] = value
    return copy


def described(setting: Setting) -> str:
    """`compute.threads: 2, train.workers: 0`."""
    return ", ".join(f"{key}: {json.dumps(value).strip(chr(34))}" for key, value in setting.items())


def trials_table(arch: str, values: dict[str, Any], trials: Sequence[Trial]) -> list[str]:
    """A Markdown table of all trials; each row says what it changes in the current params."""
    present = trials[0].setting
    sample = dataset.read_split(PREPARED, "train")[0]
    what = f"{arch}, {sample.width}x{sample.height}, batch {pick(values, 'train.batch')}"
    rows = []
    for trial in trials:
        other = {key: value for key, value in trial.setting.items() if value != present[key]}
        name = described(other) or f"current ({described(present)})"
        rows.append([name, f"{trial.rate:.1f}", f"{trial.ratio:.2f}"])
    return [f"{what}; medians of {ROUNDS} rounds, in turn", "", *markdown_table(["params", "images/s", "ratio"], rows)]


def advice(trials: Sequence[Trial]) -> list[str]:
    """The fastest trial as lines of params.yaml, and what setting them means."""
    best = max(trials, key=lambda trial: trial.ratio)
    if best is trials[0]:
        return ["The current params are the fastest of these."]
    lines = [f"Fastest: {best.ratio:.2f} times the images/s of the current params. In params.yaml:", ""]
    for section in dict.fromkeys(key.split(".")[0] for key in best.setting):
        inner = {key: value for key, value in best.setting.items() if key.startswith(f"{section}.")}
        lines += [
            f"{section}:",
            *(f"  {described({key: value}).removeprefix(f'{section}.')}" for key, value in inner.items()),
        ]
    lines += [
        "",
        "They change at least the last bits of every number, so all trainings run again: `dvc repro`, then commit.",
    ]
    if best.ratio < NOISE:
        lines.append(f"A gain below {NOISE:.2f} may be noise: better to leave params.yaml as it is.")
    return lines
