"""The objects of ONNX files, read by the lines of their cards, against those that the networks find in PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands._object_outputs import WithObjects, object_outputs
from commands._same_objects import cut, paired
from pixelproof.data import dataset
from pixelproof.nn.build import build_model
from pixelproof.scoring.instances import Instance, overlap
from stages.configure.resolve import resolve
from stages.evaluate.detect import detector
from tests.commands.trained import FP32
from tests.stages.train.conftest import CLASSES

PREPARED = Path("data/prepared")
THINGS = tuple(replace(info, thing=info.name != "ground") for info in CLASSES)
HEADER = dataset.Header("shapes", THINGS)
ARCHITECTURES = ["panoptic-deeplab-r18", "mask-rcnn-r18-fpn"]


def lively(model: Any) -> Any:
    """The network, changed so that with drawn weights it finds some objects of each thing."""
    torch.manual_seed(5)
    with torch.no_grad():
        if hasattr(model, "mask_head"):
            model.box_head.scores.weight.normal_(0, 0.3)
        else:
            model.decode_head.centre[1].bias.fill_(0.9)
            model.decode_head.conv_seg.weight.mul_(10)
            model.decode_head.conv_seg.bias[1:] += 1.0
    return model.eval()


def pictures(height: int, width: int) -> list[Any]:
    """Coarse noise, which has something to find."""
    rng = np.random.default_rng(2)
    cells = rng.integers(0, 255, (3, height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return list(cells.repeat(8, 1).repeat(8, 2)[:, :height, :width])


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_outputs_in_torch_give_the_objects_of_the_network(arch: str) -> None:
    """Without ONNX, where nothing is rounded otherwise; the image is padded on both sides."""
    torch.manual_seed(0)
    model = build_model(resolve(arch, "small"), 3, FP32)
    model.init_weights()
    images = pictures(60, 72)
    outputs = object_outputs(lively(model), (60, 72), HEADER)
    assert outputs
    with torch.inference_mode():
        found = WithObjects(model, outputs.module).eval()(torch.from_numpy(np.stack(images)))
    arrays = dict(zip(outputs.names, (tensor.numpy() for tensor in found), strict=True))
    detect = detector(model, [1, 2], FP32, "cpu")
    assert detect
    for number, wanted in enumerate(detect(images)):
        read = cut(outputs.read({name: values[number] for name, values in arrays.items()}))
        assert len(wanted) > 5 and {one.label for one in wanted} >= {1, 2}
        equal(wanted, read)


def equal(wanted: list[Instance], found: list[Instance]) -> None:
    """The same objects: scores within 0.0001, and masks but for a pixel where two centres are equally near."""
    pairs = paired(wanted, found)
    assert len(pairs) == len(wanted) == len(found)
    assert max(abs(one.score - other.score) for one, other in pairs) < 1e-4
    assert np.mean([overlap(one, other) for one, other in pairs]) > 0.999
