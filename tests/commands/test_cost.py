"""The command `cost`: memory, times, FLOPs and parameters against what is worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from commands.__main__ import main
from commands._cost import Passes, pace, peak_on_cpu
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_json
from pixelproof.data.dataset import ClassInfo, Header, write_header
from pixelproof.nn.build import build_model
from pixelproof.nn.facts import flops, measured
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve

ROOT = Path(__file__).parents[2]
FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
MIB = 2**20


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone after `dvc repro prepare configure`, of two architectures and 5 classes; nothing is trained."""
    write_header(tmp_path / "data/prepared", Header("tiny", tuple(ClassInfo(i, f"c{i}", (i, i, i)) for i in range(5))))
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"architectures": ["kmeans", "fcn-r18-d8"], "compute": FP32.model_dump()}
    params["prepare"]["shape"] |= {"width": 64, "height": 32}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    for name in params["architectures"]:
        write_json(tmp_path / f"data/configs/{name}.json", resolve(name, "small"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """The command, in this process."""
    main(["cost", *arguments])


def test_peak_memory_by_hand() -> None:
    """4 MiB and 8 are held at once, then 8 and 2: the peak is 12, and what was there before does not count."""
    before = torch.zeros(MIB)

    def work() -> None:
        first = torch.zeros(MIB)
        second = first.repeat(2)
        del first
        third = second[: MIB // 2] + before[: MIB // 2]
        del third

    assert abs(peak_on_cpu(work) - 12 * MIB) < MIB / 100


def test_times_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes of 1 to 20 ms: median 10.5, p95 1 + 0.95 * 19 = 19.05; those that warm up take no part."""
    ticks = iter(np.cumsum([second for i in range(1, 21) for second in (0.5, i / 1000)]).tolist())
    monkeypatch.setattr("commands._cost.time.perf_counter", lambda: next(ticks))
    calls: list[int] = []
    found = pace(lambda: calls.append(1), 4, 77, Passes(warm_up=3, runs=20))
    assert len(calls) == 23
    assert (found.batch, found.peak_bytes) == (4, 77)
    assert found.median_ms == pytest.approx(10.5) and found.p95_ms == pytest.approx(19.05)
    assert found.images_per_second == pytest.approx(4 / 0.0105, abs=0.01)


def test_flops_are_those_of_info_and_of_k_means_by_hand() -> None:
    """Five features times each centre, for each pixel of the 32x64 that a 30x60 image is filled up to."""
    config = resolve("kmeans", "small")
    expected = 2 * 5 * config["model"]["clusters"] * 32 * 64
    assert flops(build_model(config, 5, FP32), 30, 60) == expected
    network = build_model(resolve("fcn-r18-d8", "small"), 5, FP32)
    assert flops(network, 32, 64) == measured(network, 32, 64)[1] > 0


def test_the_command_measures_what_params_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path for path in root.rglob("*") if path.is_file()}
    capture = [*("--runs", "2"), *("--warm-up", "1"), *("--batch", "1", "3"), *("--json", "out/cost.json")]
    run(monkeypatch, *capture)
    assert {path for path in root.rglob("*") if path.is_file()} - before == {root / "out/cost.json"}
    found = json.loads(Path("out/cost.json").read_text())
    settings = FP32.model_dump() | {"height": 32, "width": 64, "classes": 5, "warm_up": 1, "runs": 2}
    assert found["settings"] == settings | {"device": "cpu"}
    assert "cores" in found["machine"] and "Python" in found["machine"]
    assert set(found["architectures"]) == {"kmeans", "fcn-r18-d8"}

    network = build_model(resolve("fcn-r18-d8", "small"), 5, FP32)
    numbers = found["architectures"]["fcn-r18-d8"]
    idle = sum(weight.numel() for weight in network.auxiliary_head.parameters())
    assert numbers["auxiliary_parameters"] == idle > 0
    assert numbers["parameters"] == sum(weight.numel() for weight in network.parameters()) - idle
    assert found["architectures"]["kmeans"]["parameters"] == 0
    one, three = numbers["batches"]
    assert (one["batch"], three["batch"]) == (1, 3)
    image = 3 * 32 * 64 * 4  # of floats
    assert one["peak_bytes"] > numbers["weight_bytes"] + image
    activations = [each["peak_bytes"] - numbers["weight_bytes"] for each in (one, three)]
    assert 2.5 < activations[1] / activations[0] < 3.1  # all but what does not grow with the batch
    for each in (one, three):
        assert each["images_per_second"] == pytest.approx(1000 * each["batch"] / each["median_ms"], rel=1e-2)


def test_the_table_names_the_machine_and_each_batch(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--arch", "kmeans", "--runs", "1", "--warm-up", "1", "--batch", "2", "--size", "16x16")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("measured on: ") and "images of 16x16, fp32" in lines[1]
    assert lines[3].split()[:3] == ["architecture", "on", "parameters"]
    assert lines[4].split()[:3] == ["kmeans", "cpu", "0"] and len(lines) == 5
    assert lines[4].split()[4] == "2"


def test_mistakes_are_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        StateError, match=r"^metrics/cost\.json: metrics/ holds only reproducible numbers; give --json another"
    ):
        run(monkeypatch, "--json", "metrics/cost.json")
    with pytest.raises(
        StateError, match=r"kmean\.json: no such file; resolved: fcn-r18-d8, kmeans; there .*\(did you mean"
    ):
        run(monkeypatch, "--arch", "kmean")
    Path("data/prepared/dataset.json").unlink()
    with pytest.raises(
        StateError, match=r"^data/prepared/dataset\.json: no such file; run `bin/pixelproof reproduce p"
    ):
        run(monkeypatch)
    Path("data/configs/kmeans.json").unlink()
    with pytest.raises(StateError, match=r"kmeans\.json: no such file; .* run `bin/pixelproof reproduce configure`"):
        run(monkeypatch, "--arch", "kmeans")  # what is missing of the network asked for comes first
    with pytest.raises(
        StateError, match=r"add segnet to `architectures` in params\.yaml, then `bin/pixelproof reproduce"
    ):
        run(monkeypatch, "--arch", "segnet")
