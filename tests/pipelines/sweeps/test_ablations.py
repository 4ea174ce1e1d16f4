"""The table of benchmarks/ablations.py, from what a sweep would have written; the benchmark itself runs by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from benchmarks.ablations import OPTIONS, holm, row_name, sweep_of, table
from benchmarks.common import ROOT
from commands._params import checked
from pipelines.edit import set_values
from pipelines.sweeps.spec import read_sweep


def pair(first: str, second: str, change: float, p: float) -> dict[str, str]:
    """A line of differences.csv."""
    ends = {"low": str(change - 0.01), "high": str(change + 0.01)}
    return {"first": first, "second": second, "change": str(change), **ends, "p": str(p)}


def row(point: str, score: float) -> dict[str, str]:
    """A line of sweep.csv."""
    return {"point": point, "val.mIoU": str(score), "status": "done", "seeds": "3"}


def test_holm_by_hand() -> None:
    """Three tests: the smallest times 3, the next times 2 but no less than that, the last as it is."""
    assert holm([0.04, 0.01, 0.015]) == pytest.approx([0.04, 0.03, 0.03])
    assert holm([0.5, 0.6]) == [1.0, 1.0] and holm([]) == []


def test_an_effect_within_the_spread_is_not_shown() -> None:
    """The change is from the control to the option, however the sweep ordered the two."""
    rows = [row("unet", 0.7), row("ema", 0.75), row("ohem", 0.71), row("smoothing", 0.6)]
    pairs = [pair("ema: unet", "unet", -0.05, 0.001), pair("unet", "ohem: unet", 0.01, 0.04)]
    pairs += [pair("unet", "smoothing: unet", -0.1, 0.01), pair("ema: unet", "ohem: unet", -0.04, 0.0001)]
    _, _, ema, ohem, smoothing = table(["ema", "ohem", "smoothing"], rows, pairs)
    assert "| 0.7000 | 0.7500 | +0.0500 [+0.0400, +0.0600] | better, p 0.003 |" in ema
    assert "| +0.0100 [+0.0000, +0.0200] | better, p 0.040 |" in ohem
    assert "worse, p 0.020" in smoothing and '"smoothing": 0.1' in smoothing
    pairs[1]["p"] = "0.2"
    assert "not shown, p 0.200" in table(["ema", "ohem", "smoothing"], rows, pairs)[3]
    assert "not tested" in table(["ohem"], rows, pairs[:1])[2]


def test_every_option_is_a_point_beside_its_control(tmp_path: Path) -> None:
    """As `pixelproof sweep` reads it, and with settings that params.yaml may have."""
    path = tmp_path / "ablations.yaml"
    path.write_text(yaml.safe_dump(sweep_of(list(OPTIONS), {"train.seeds": [0, 1, 2]})))
    sweep = read_sweep(path)
    for name, option in OPTIONS.items():
        found, control = sweep.point(name).overrides, sweep.point(option.control).overrides
        assert found == control | {"architectures": [option.architecture]} | option.overrides != control
        checked(ROOT, YAML(typ="safe").load(set_values((ROOT / "params.yaml").read_text(), found)))
    assert row_name("cascade", "deeplabv3-cascade-r50") == "cascade: deeplabv3-cascade-r50"
    assert row_name("unet", "unet") == "unet"
