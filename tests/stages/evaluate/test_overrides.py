"""`evaluate.overrides`: the same weights in a network with other rates and strides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.core.files import write_json
from pixelproof.nn.build import build_model, save_weights
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.evaluate.predict import load_network

FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
NAME = "deeplabv3plus-xception65"
DENSER = {"backbone.output_stride": 8, "decode_head.dilations": [1, 4, 8, 12]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A config and weights, as configure and train leave them; batch norm has seen some images."""
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("trained")
    config, weights = folder / f"{NAME}.json", folder / "weights.safetensors"
    resolved = resolve(NAME, "small")
    write_json(config, resolved)
    model = build_model(resolved, 5, FP32)
    model.init_weights()
    with torch.no_grad():
        torch.nn.init.normal_(model.decode_head.conv_seg.weight)
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0
        model.train().encode_decode(torch.randn(4, 3, 64, 96), [{"img_shape": (64, 96)}] * 4)
    save_weights(weights, model.state_dict())
    return config, weights


def test_denser_maps_and_other_rates_predict_with_the_same_weights(trained: tuple[Path, Path]) -> None:
    """As DeepLab's papers do: trained at output stride 16, evaluated at 8 with doubled rates.

    What params say is what a network built so from the start predicts; without overrides nothing changes.
    """
    images = [np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)]
    found = [load_network(*trained, 5, FP32, overrides)(images).labels for overrides in (None, {}, DENSER)]
    built = resolve(NAME, "small")
    built["model"]["backbone"]["output_stride"] = 8
    built["model"]["decode_head"]["dilations"] = [1, 4, 8, 12]
    write_json(trained[0].with_name("built.json"), built)
    expected = load_network(trained[0].with_name("built.json"), trained[1], 5, FP32)(images).labels
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], expected)
    assert len(np.unique(found[0])) > 1 and (found[0] != found[2]).any()


@pytest.mark.parametrize(
    ("overrides", "kind", "message"),
    [
        (
            {"decode_head.channels": 32},
            DataError,
            rf"weights\.safetensors: .*; remove from evaluate\.overrides\.{NAME} what",
        ),
        ({"backbone.output_strid": 8}, ParamsError, rf"evaluate\.overrides\.{NAME}\.backbone\.output_strid: .*allowed"),
    ],
)
def test_what_needs_other_weights_or_is_no_key_is_one_line(
    trained: tuple[Path, Path], overrides: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as error:
        load_network(*trained, 5, FP32, overrides)
    assert "\n" not in str(error.value)
