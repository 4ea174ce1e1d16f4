"""Published data with crowds and pixels that nobody labelled, from the publisher's layout to a network's scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import yaml
from safetensors.torch import load_file

from pixelproof.data.dataset import IGNORE, read_header, read_instances, read_mask, read_split
from pixelproof.sources import cityscapes, coco
from tests.forked import run_forked
from tests.pixelproof.sources import miniatures
from tests.pixelproof.sources.converted import convert
from tests.workspace import ROOT

ARCH, SIDE = "panoptic-deeplab-r18", 64
LINKED = ("dvc.yaml", "pixelproof", "pretrained", "requirements.lock", "stages")
STAGES = ("prepare", "augment", "configure", f"train --arch {ARCH} --seed 0", f"evaluate --arch {ARCH} --seed 0")


def workspace(root: Path) -> Path:
    """A folder with the project's code, and params for one step of a small network on small images."""
    root.mkdir()
    for name in LINKED:
        (root / name).symlink_to(ROOT / name)
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["architectures"] = [ARCH]
    values["prepare"] |= {"sources": ["download"], "map": {}}
    values["prepare"]["shape"] |= {"mode": "stretch", "width": SIDE, "height": SIDE}
    values["augment"] |= {"copies": 1, "workers": 1}
    values["compute"] |= {"device": "cpu", "threads": 1, "portable": False}
    values["train"] |= {"iterations": 1, "val_interval": 1, "checkpoint_interval": 1, "batch": 2}
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return root


def counted(data: Path, things: list[int]) -> tuple[dict[int, int], int, int]:
    """By hand, in val: how many objects each thing has; pixels of things without a number; and unlabelled pixels."""
    objects, crowd, unknown = dict.fromkeys(things, 0), 0, 0
    for sample in read_split(data, "val"):
        mask = read_mask(data, "val", sample, len(read_header(data).classes))
        numbers = read_instances(data, "val", sample)
        assert numbers is not None
        unknown += int((mask == IGNORE).sum())
        for label in things:
            objects[label] += len(np.unique(numbers[(mask == label) & (numbers > 0)]))
            crowd += int(((mask == label) & (numbers == 0)).sum())
    return objects, crowd, unknown


@pytest.mark.parametrize("source", [coco, cityscapes], ids=["coco", "cityscapes"])
def test_crowds_and_what_is_unlabelled_are_neither_right_nor_wrong(tmp_path: Path, source: Any) -> None:
    """Every stage runs, a step leaves weights that are numbers, and only objects with numbers are scored."""
    root = workspace(tmp_path / "clone")
    made = getattr(miniatures, source.NAME)(tmp_path / "published")
    convert(source, made, root / "data/download")
    for stage in STAGES:
        done = run_forked(["-m", *f"stages.{stage}".split()], root)
        assert done.returncode == 0, done.stderr
    data, results = root / "data/prepared", root / f"results/{ARCH}/0"
    things = [info.id for info in read_header(data).classes if info.thing]
    objects, crowd, unknown = counted(data, things)
    assert sum(objects.values()) > 1 and crowd > 0 and unknown > 0, "else this test would say little"

    weights = load_file(root / f"models/{ARCH}/0/weights.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values()), "a loss was not a number"
    table = pandas.read_parquet(results / "evaluate/segments.parquet")
    found = table[(table.split == "val") & table["class"].isin(things)].groupby("class").objects.sum()
    assert {label: count for label, count in objects.items() if count} == found[found > 0].to_dict()
    scores = json.loads((results / "evaluate/metrics.json").read_text())["val"]["instances"]
    assert 0 <= scores["mask"]["AP"] <= 1 and 0 <= scores["panoptic"]["PQ"] <= 1
