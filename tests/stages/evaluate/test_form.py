"""cost.json: parameters and FLOPs of networks against what is worked out by hand, and layer by layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pixelproof.core.files import write_json
from pixelproof.data.dataset import Sample, SplitWriter, write_header
from pixelproof.nn.build import build_model, save_weights
from stages.configure.resolve import resolve
from stages.evaluate.__main__ import evaluate
from stages.evaluate.form import cost, usual_size
from tests.stages.evaluate.test_stage import COMPUTE, HEADER, PARAMS


class Tiny(nn.Module):
    """A convolution that halves the image, and one that tells three classes apart; another head only trains."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.decode_head = nn.Conv2d(4, 3, 1, bias=False)
        self.auxiliary_head, self.with_auxiliary_head = nn.Conv2d(4, 3, 1), True

    def data_preprocessor(self, data: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        return {"inputs": data["inputs"].float()}

    def encode_decode(self, inputs: Tensor, metas: Any) -> Tensor:
        return nn.functional.interpolate(self.decode_head(self.backbone(inputs)), inputs.shape[2:])


def test_parameters_and_flops_by_hand() -> None:
    """2 * in * out * kernel * pixels out: 2*3*4*9 * 4*6 and 2*4*3 * 4*6; weights 3*4*9 + 4 and 4*3."""
    found = cost(Tiny(), (8, 12))
    assert found == {"parameters": 112 + 12, "flops": 5184 + 576, "height": 8, "width": 12}
    assert cost(Tiny(), None) == {"parameters": 124, "flops": None, "height": None, "width": None}


def test_what_shapes_cannot_tell_is_null() -> None:
    tiny = Tiny()
    tiny.encode_decode = lambda inputs, metas: inputs[inputs > 0]  # type: ignore[method-assign]
    assert cost(tiny, (8, 12)) == {"parameters": 124, "flops": None, "height": 8, "width": 12}


def test_the_size_is_that_of_most_images_or_of_the_window() -> None:
    sizes = [(20, 10), (8, 9), (8, 9), (4, 4), (4, 4)]
    samples = [Sample(str(i), "g", width, height, "s") for i, (height, width) in enumerate(sizes)]
    assert usual_size(samples, None) == (4, 4) and usual_size(samples[:3], None) == (8, 9)
    assert usual_size([], None) is None and usual_size(samples, (96, 128)) == (96, 128)


@pytest.mark.parametrize("name", ["fcn-r18-d8", "kmeans"])
def test_the_stage_writes_what_its_layers_add_up_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Of k-means: five features times each centre, for each pixel; and not one parameter."""
    monkeypatch.chdir(tmp_path)
    write_header(Path("data/prepared"), HEADER)
    for split in ("val", "test"):
        writer = SplitWriter(Path("data/prepared"), split, HEADER)
        mask = np.zeros((32, 64), np.uint8)
        writer.add(Sample(split, split, 64, 32, "tiny"), np.zeros((32, 64, 3), np.uint8), mask)
        writer.close()
    config = resolve(name, "small")
    write_json(Path(f"data/configs/{name}.json"), config)
    model = build_model(config, 3, COMPUTE).eval()
    save_weights(Path(f"models/{name}/0/weights.safetensors"), model.state_dict())
    evaluate(name, 0, PARAMS)
    found = json.loads(Path(f"results/{name}/0/evaluate/cost.json").read_text())

    sums = {"flops": 2 * 5 * config["model"]["clusters"] * 32 * 64 if name == "kmeans" else 0, "parameters": 0}

    def add(layer: nn.Conv2d, _: Any, out: Tensor) -> None:
        one = layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        sums["flops"] += 2 * one * out[0].numel()

    layers = [(key, part) for key, part in model.named_modules() if not key.startswith("auxiliary_head")]
    for _, layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(add)
    with torch.no_grad():
        model.encode_decode(torch.zeros(1, 3, 32, 64), [{"img_shape": (32, 64)}])
    sums["parameters"] = sum(w.numel() for key, w in model.named_parameters() if not key.startswith("auxiliary_head"))
    assert found == {**sums, "height": 32, "width": 64}
