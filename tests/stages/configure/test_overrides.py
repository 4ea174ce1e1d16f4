"""`configure.overrides` and `evaluate.overrides` as configure takes them: into the config, or refused before a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixelproof.core.errors import ParamsError
from pixelproof.core.files import read_json, write_json
from pixelproof.core.params import check
from stages.configure.params import Params
from stages.configure.resolve import resolve
from stages.configure.trial import try_overrides
from tests.workspace import executed, make_workspace


def test_an_override_comes_after_small_and_changes_nothing_else(tmp_path: Path) -> None:
    """The written bytes without overrides are those of a file that knows of none."""
    plain = resolve("deeplabv3plus-r18", "small")
    changed = resolve("deeplabv3plus-r18", "small", {"decode_head": {"dilations": [1, 2, 4, 6]}})
    assert plain["model"]["decode_head"]["dilations"] == [1, 3, 6, 9]
    assert changed["model"]["decode_head"].pop("dilations") == [1, 2, 4, 6]
    plain["model"]["decode_head"].pop("dilations")
    assert changed == plain
    for name, overrides in (("absent", None), ("empty", {})):
        write_json(tmp_path / f"{name}.json", resolve("unet", "small", overrides))
    assert (tmp_path / "absent.json").read_bytes() == (tmp_path / "empty.json").read_bytes()


# What the README's table promises.
KNOBS: list[tuple[str, dict[str, Any]]] = [
    ("deeplabv3plus-r18", {"decode_head.dilations": [1, 2, 4, 6]}),
    ("deeplabv3plus-r18", {"backbone": {"strides": [1, 2, 2, 1], "dilations": [1, 1, 1, 2]}}),
    ("deeplabv3plus-xception65", {"backbone.output_stride": 8, "decode_head.dilations": [1, 4, 8, 12]}),
    ("kmeans", {"clusters": 16, "position": 0.5}),
    ("unet-bn", {"decode_head.upsample": "bilinear"}),
    ("unet-r18", {"decode_head.upsample": "transposed", "decode_head.dropout": 0.2}),
    ("unet", {"backbone.upsample_cfg.type": "DeconvModule"}),
    ("ocrnet-hr48-hms", {"scales": [0.5, 1.0], "scale_weight": 0.0}),
    ("fcn-r18-d8", {"auxiliary_head": None}),
]


@pytest.mark.parametrize(("name", "changes"), KNOBS)
def test_each_documented_knob_gives_a_network_that_runs(name: str, changes: dict[str, Any]) -> None:
    config = resolve(name, "small", changes)
    assert config["model"] != resolve(name, "small")["model"]
    try_overrides(config, changes, None)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("fcn-r18-d8", {"backbone.base_channels": 8}, r"RuntimeError: .*channels.*; expected overrides that match"),
        ("fcn-r18-d8", {"auxiliary_head.in_channels": 8}, r"RuntimeError: .*channels.*; expected overrides that match"),
    ],
)
def test_a_network_that_does_not_fit_together_is_refused(name: str, changes: dict[str, Any], message: str) -> None:
    """One line before any training; also in a head that prediction does not use."""
    with pytest.raises(ParamsError, match=rf"configure\.overrides\.{name}: found {message}") as error:
        try_overrides(resolve(name, "small", changes), changes, None)
    assert "\n" not in str(error.value)


def test_what_is_to_be_evaluated_must_keep_its_weights() -> None:
    """Other rates do; other widths do not."""
    config = resolve("deeplabv3plus-r18", "small")
    try_overrides(config, None, {"decode_head.dilations": [1, 6, 12, 18]})
    with pytest.raises(ParamsError, match=r"evaluate\.overrides\.deeplabv3plus-r18: found .*other weights"):
        try_overrides(config, None, {"decode_head.channels": 32})


def test_an_unknown_architecture_lists_them() -> None:
    """In either section, also one that `architectures` does not run."""
    values: dict[str, Any] = {
        "architectures": ["unet"],
        "train": {"scale": "small", "pretrained": "none"},
        "configure": {"overrides": {"kmeans": {"clusters": 8}}},
        "evaluate": {"overrides": {}},
    }
    assert check(Params, values).configure.overrides["kmeans"] == {"clusters": 8}
    for section in ("configure", "evaluate"):
        with pytest.raises(ParamsError, match=rf"{section}\.overrides: found 'kmean'; .*did you mean 'kmeans'"):
            check(Params, values | {section: {"overrides": {"kmean": {"clusters": 8}}}})


@pytest.mark.slow
def test_dvc_takes_keys_with_dots(tmp_path: Path) -> None:
    """Through params.yaml and DVC: one config changes, and a misspelt key ends the stage with its one line."""
    workspace = make_workspace(tmp_path).forked()
    workspace.set_params(architectures=["kmeans", "unet-bn"])
    workspace.dvc("repro", "configure")
    before = workspace.digests("data/configs/*")
    workspace.set_params(configure__overrides={"unet-bn": {"decode_head.upsample": "bilinear"}})
    assert executed(workspace.dvc("repro", "configure")) == ["configure"]
    after = workspace.digests("data/configs/*")
    assert {name for name in before if before[name] != after[name]} == {"data/configs/unet-bn.json"}
    config = read_json(workspace.folder / "data/configs/unet-bn.json")
    assert config["model"]["decode_head"]["upsample"] == "bilinear" and json.dumps(config)
    workspace.dvc("params", "diff")
    workspace.set_params(evaluate__overrides={"unet-bn": {"decode_head.upsampel": "bilinear"}})
    with pytest.raises(AssertionError, match=r"error: params\.yaml: evaluate\.overrides.*\.upsampel: found an unknown"):
        workspace.dvc("repro", "configure")
