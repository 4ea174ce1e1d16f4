"""`init --propose` at its edges: what it reads of data and machine, and what becomes of params.yaml."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from commands.__main__ import main
from commands._proposing import reading, run, trial
from commands._proposing.facts import Line, Pace
from commands._proposing.rules import propose
from pipelines.edit import set_values
from pixelproof.core.errors import DataError, ParamsError, StateError
from pixelproof.core.files import write_json
from pixelproof.core.params import check, pick, read_yaml
from pixelproof.core.portable import CAPS, caps
from pixelproof.data import dataset
from pixelproof.data.images import Array
from pixelproof.data.splitting import Split, split_of
from stages.train import learner
from tests.stages.train.conftest import Workspace

ROOT = Path(__file__).parents[2]
SKY, GROUND, CAR = range(3)
CLASSES = tuple(
    dataset.ClassInfo(i, name, (90 * i, 0, 0), thing=name == "car") for i, name in enumerate(("sky", "ground", "car"))
)
PACE = Pace(0.0, 0.5, 0, 1e9)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with four images of 40x32, prepared; no DVC, and a network that was timed."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("examples", "pipelines", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)
    params = tmp_path / "params.yaml"
    params.write_text(set_values(params.read_text(), {"prepare.shape.width": 40, "prepare.shape.height": 32}))
    header = dataset.Header("yard", CLASSES)
    dataset.write_header(tmp_path / "data/prepared", header)
    for split, names in {"train": "ab", "val": "c", "test": "d"}.items():
        writer = dataset.SplitWriter(tmp_path / "data/prepared", split, header)
        for name in names:
            sample = dataset.Sample(name, f"flight-{name}", 40, 32, "yard")
            writer.add(sample, np.full((32, 40, 3), 30 if name == "b" else 10, np.uint8), *scene(name))
        writer.close()
    shares = [{"name": info.name, "share": share} for info, share in zip(CLASSES, (0.5, 0.47, 0.03), strict=True)]
    write_json(tmp_path / "results/data/card.json", {"splits": {"train": {"classes": shares}}})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "timed", lambda *_: PACE)
    return tmp_path


def scene(name: str) -> tuple[Array, Array | None]:
    """Sky above ground; on the left of it three cars with instances in `a`, in `b` two without."""
    mask, instances = np.full((32, 40), SKY, np.uint8), np.zeros((32, 40), np.uint16)
    mask[16:] = GROUND
    cars = {"a": [(18, 1, 4, 4), (18, 7, 6, 6), (26, 1, 2, 8)], "b": [(18, 1, 4, 9), (26, 1, 1, 1)]}.get(name, [])
    for number, (top, left, height, width) in enumerate(cars, start=1):
        mask[top : top + height, left : left + width] = CAR
        instances[top : top + height, left : left + width] = number
    return mask, None if name == "b" else instances


def test_facts_of_the_data(clone: Path) -> None:
    """Cars of 4, 6 and 4 pixels in side; one of 6 and a sliver of 1, which weighs nearly nothing."""
    facts = reading.read(read_yaml(clone / "params.yaml"), clone)
    assert (facts.size, facts.tiled, facts.learnt, facts.judged, facts.device) == ((40, 32), False, 2, 1, "cpu")
    assert facts.memory > 10**8 and facts.packaged == reading.packaged()
    content = facts.content
    assert content.sides == {"car": 6.0} and content.typical == 6.0
    assert content.shares == {"sky": 0.5, "ground": 0.47, "car": 0.03}
    # Both images: of 1,280 pixels on the left 105 are of cars, where ground is on the right.
    assert content.upside == pytest.approx(1.0) and content.aside == pytest.approx(105 / 1280)
    assert content.uneven == 10.0 and content.upright
    places = {"flight-a": "train", "flight-b": "train", "flight-c": "val", "flight-d": "test"}
    assert facts.division.places == places
    assert not facts.division.drawn, "salt 0 draws another split"
    (clone / "results/data/card.json").unlink()
    with pytest.raises(DataError, match=r"card\.json: expected the data card.*dvc repro prepare"):
        reading.read(read_yaml(clone / "params.yaml"), clone)


def test_who_drew_the_splits(clone: Path) -> None:
    """Prepare did, if every group is where its name puts it; not if test is frozen, or a group is in two splits."""
    split = check(Split, read_yaml(clone / "params.yaml")["prepare"]["split"], "")
    samples: dict[str, list[dataset.Sample]] = {"train": [], "val": [], "test": []}
    for name in (f"flight-{n}" for n in range(20)):
        place = split_of(name, split.val, split.test, split.salt)
        samples[place].append(dataset.Sample(name, name, 40, 32, "yard"))
    assert all(samples.values()) and reading.divided(samples, split, clone).drawn
    crossing = samples | {"val": [*samples["val"], samples["train"][0]]}
    assert not reading.divided(crossing, split, clone).drawn
    (clone / "data/frozen.csv").write_text("id,group,image,labels\nflight-1,flight-1,0,0\n")
    assert not reading.divided(samples, split, clone).drawn
    folded = [dataset.Sample(s.id, s.group, 40, 32, "yard", fold=0) for s in samples["train"] + samples["val"]]
    (clone / "data/frozen.csv").unlink()
    both = {"train": folded, "val": folded, "test": samples["test"]}
    assert reading.divided(both, split, clone).drawn
    assert reading.numbers(both, (40, 32), split) == pytest.approx(
        (len(folded) * 0.7 / 0.85, len(folded) * 0.15 / 0.85)
    )


def test_nothing_is_written_unasked_and_all_of_it_if_asked(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, asked = clone / "params.yaml", list[str]()
    before, values = path.read_bytes(), read_yaml(path)
    proposed = {line.key: line for line in propose(reading.read(values, clone), PACE, 2)}
    assert run.show(clone, 2, None, None) == run.show(clone, 2, False, None) == [run.UNWRITTEN]

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    assert run.show(clone, 2, None, refuse) == [run.UNWRITTEN]
    assert path.read_bytes() == before and "changed lines into params.yaml? [Y/n]" in asked[0]
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| train.iter")]
    assert rows[0][:3] == ["| train.iterations", "900", "200"] and "1,562 images/s measured here" in rows[0][3]
    told = run.show(clone, 2, None, lambda _: True)
    assert told[0].startswith("changed in params.yaml: architectures, ") and "train.iterations" in told[0]
    after = read_yaml(path)
    assert {key: pick(after, key) for key in proposed} == {key: line.value for key, line in proposed.items()}
    assert yaml.safe_load(set_values(path.read_text(), {key: pick(values, key) for key in proposed})) == values
    written = path.read_bytes()
    assert run.show(clone, 2, True, None) == ["params.yaml has all of it already"] and path.read_bytes() == written


def test_reasons_are_comments_where_dvc_keeps_them(clone: Path) -> None:
    """Behind numbers and words, not behind lists; a second proposal replaces them."""
    path = clone / "params.yaml"
    run.show(clone, 2, True, None)
    lines = path.read_text().splitlines()
    (budget,) = [line for line in lines if line.startswith("  iterations: 200  # ")]
    assert "than 2 minutes" in budget and not any("#" in line for line in lines if line.lstrip().startswith("- "))
    before = path.read_text()
    apply_overrides(path, ["train.seeds=[0,1]", "train.loss.0.weight=2.0"])
    kept = [line for line in before.splitlines() if "  # " in line]
    assert len(kept) > 8 and [line for line in path.read_text().splitlines() if "  # " in line] == kept
    run.show(clone, 4, True, None)
    (budget,) = [line for line in path.read_text().splitlines() if line.startswith("  iterations: ")]
    assert "than 2 minutes" not in budget and budget.count("#") == 1


def test_what_the_stages_would_refuse_is_not_written(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (clone / "params.yaml").read_bytes()
    monkeypatch.setattr(run, "propose", lambda *_: [Line("train.batch", 8, ""), Line("train.ema", 2.0, "too much")])
    with pytest.raises(ParamsError, match=r"train\.ema: found 2\.0"):
        run.show(clone, 30, True, None)
    assert (clone / "params.yaml").read_bytes() == before


def test_stale_data_is_refused_and_an_export_is_prepared_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real DVC: what it would prepare anew says nothing about the data that is there."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StateError, match="no repository of DVC here"):
        run.prepare(tmp_path)
    for command in ("git init -q", "dvc init -q"):
        subprocess.run(["python", "-m", *command.split()] if "dvc" in command else command.split(), check=True)
    Path("dvc.yaml").write_text("stages: {prepare: {cmd: cp photos prepared, deps: [photos], outs: [prepared]}}\n")
    Path("photos").write_text("one")
    with pytest.raises(StateError, match=r"data/prepared: not what DVC would prepare now \(prepare runs: "):
        run.current(tmp_path)
    run.prepare(tmp_path)
    run.current(tmp_path)
    Path("photos").write_text("two")
    with pytest.raises(StateError, match="run `bin/python -m dvc repro prepare`"):
        run.current(tmp_path)
    Path("photos").unlink()
    with pytest.raises(StateError, match="`dvc repro prepare`: "):
        run.prepare(tmp_path)


def test_a_training_step_is_timed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the pixels take no more memory for each, and its weights about the same."""
    monkeypatch.chdir(workspace())
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    found = []
    for side in (64, 128):
        monkeypatch.setattr(trial, "SIDE", side)
        found.append(trial.trial("fcn-r18-d8", "small", 3))
    assert all(pace.seconds > 0 and pace.step >= 0 and pace.held > 0 for pace in found)
    assert 0.4 < found[1].bytes / found[0].bytes < 1.5 and 0.7 < found[1].held / found[0].held < 1.5


def test_what_each_step_takes_is_told_from_what_its_pixels_take(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that takes 20 ms for a step, and 10 ms more for 64x64 pixels; whatever size is timed."""
    monkeypatch.chdir(workspace())
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    monkeypatch.setattr(trial, "SIDE", 128)
    now, sides = [0.0], list[tuple[int, int]]()

    def learn(_: object, batch: dict[str, Any], *__: object) -> float:
        images, _channels, side, _width = batch["inputs"].shape
        sides.append((images, side))
        now[0] += 0.02 + 0.01 * images * (side / 64) ** 2
        return 0.0

    monkeypatch.setattr(learner.Learner, "learn", learn)
    monkeypatch.setattr(trial, "clock", lambda: now[0])
    pace = trial.trial("fcn-r18-d8", "small", 3)
    assert pace.step == pytest.approx(0.02) and pace.seconds * 64**2 / 1e6 == pytest.approx(0.01)
    assert {*sides} == {(2, 32), (2, 128)}


def test_a_gpu_that_waits_is_not_taken_for_one_whose_pixels_cost_nothing() -> None:
    small, large = trial.Taken(0.0, 0.1, 100), trial.Taken(2.0, 0.1, 300)
    assert trial.pace_of(small, large, 40) == Pace(0.1, 0.025, 220, 100.0)


@pytest.mark.parametrize("portable", [True, False])
def test_it_is_timed_as_it_will_train(portable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def record(command: list[str], env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(env)
        answer = 'a line of a library\n{"step": 0.5, "seconds": 1.0, "held": 2, "bytes": 3.0}\n'
        return subprocess.CompletedProcess(command, len(calls) - 1, answer, "Traceback\nStateError: no room\n")

    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(trial, "missing_instructions", list)
    for name in CAPS:
        monkeypatch.delenv(name, raising=False)
    assert trial.timed("unet", "small", 3, portable, tmp_path) == Pace(0.5, 1.0, 2, 3.0)
    assert (caps().items() <= calls[0].items()) == portable
    with pytest.raises(StateError, match="timing unet: StateError: no room"):
        trial.timed("unet", "small", 3, portable, tmp_path)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no export"),
        (["--propose", "--group", "task"], "options of an export without one"),
        (["--propose", "--minutes", "0"], "expected minutes above 0"),
    ],
)
def test_what_makes_no_sense_is_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(StateError, match=message):
        main(["init", *argv])
