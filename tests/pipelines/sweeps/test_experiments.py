"""The experiments that are ready: every point of every file has settings that params.yaml may have. None is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from commands._params import checked
from pipelines.edit import set_values
from pipelines.sweeps.spec import Point, read_sweep
from pixelproof.core.errors import PixelproofError
from stages.configure.pretrained import pinned
from stages.configure.resolve import resolve

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "experiments").glob("*.yaml"))
TEXT = (ROOT / "params.yaml").read_text()


def params_of(point: Point) -> dict[str, Any]:
    """All settings of a point, checked as `pixelproof sweep` checks them before the first one runs."""
    values: dict[str, Any] = YAML(typ="safe").load(set_values(TEXT, point.overrides))
    checked(ROOT, values)
    return values


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_point_is_valid(path: Path) -> None:
    """Its settings, the changes of its networks, and the weights that they begin with."""
    for point in read_sweep(path).points:
        values = params_of(point)
        train, overrides = values["train"], values["configure"]["overrides"]
        assert set(overrides) <= set(values["architectures"]), point.name
        for arch in values["architectures"]:
            resolve(arch, train["scale"], overrides.get(arch))
            if train["pretrained"] == "imagenet":
                assert pinned("imagenet", arch), point.name


def test_a_wrong_setting_of_a_point_is_found(tmp_path: Path) -> None:
    for key, value in (("train.crop", [0, 480]), ("train.augmented", "street"), ("architectures", ["unets"])):
        path = tmp_path / "tried.yaml"
        path.write_text(yaml.safe_dump({"points": {"first": {}, "second": {key: value}}}))
        first, second = read_sweep(path).points
        params_of(first)
        with pytest.raises(PixelproofError):
            params_of(second)


def test_the_table_takes_the_last_weights() -> None:
    """One validation, after the last iteration: nothing is selected on the images that are scored."""
    for name in ("camvid-table", "camvid-table-vgg16"):
        for point in read_sweep(ROOT / f"experiments/{name}.yaml").points:
            train = params_of(point)["train"]
            assert train["iterations"] == train["val_interval"] and train["patience"] == 0, point.name
    assert len(read_sweep(ROOT / "experiments/camvid-table.yaml").points) == 8
