"""The objects of ONNX files, read by the lines of their cards, against those that the networks find in PyTorch."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from commands import _export
from commands._export import export
from commands._object_outputs import Object, ObjectOutputs, WithObjects, object_outputs
from commands._same_objects import cut, paired
from commands._trained import find_one
from pixelproof.core.errors import StateError
from pixelproof.data import dataset
from pixelproof.nn.build import build_model, class_ids, save_weights
from pixelproof.scoring.instances import Instance, overlap
from stages.configure.resolve import resolve
from stages.evaluate.detect import detect
from tests.commands.trained import FP32, as_trained, network
from tests.stages.train.conftest import CLASSES, Workspace

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
    for number, wanted in enumerate(detect(model, [1, 2], FP32, "cpu", images)):
        read = cut(outputs.read({name: values[number] for name, values in arrays.items()}))
        assert len(wanted) > 5 and {one.label for one in wanted} >= {1, 2}
        equal(wanted, read)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_lines_of_a_card_find_the_objects_of_the_network(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arch: str
) -> None:
    as_trained(workspace, monkeypatch, arch)
    dataset.write_header(PREPARED, HEADER)
    model = lively(network(arch)) if arch.startswith("mask") else taught(network(arch))
    save_weights(Path(f"models/{arch}/0/weights.safetensors"), model.state_dict())
    export(find_one(arch, 0), Path("out"))
    told = re.search(r"(\d+) of (\d+) objects are not PyTorch's", capsys.readouterr().out)
    assert told and int(told[1]) == 0 and int(told[2]) > 5
    blocks = re.findall(r"```python\n(.*?)```", Path(f"out/{arch}.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 2 and all(len(block.splitlines()) in (6, 8) for block in blocks)
    images = [image for _, image, _ in dataset.iterate(PREPARED, "test")]
    own = partial(detect, model, [1, 2], FP32, "cpu")
    with monkeypatch.context() as there:
        there.chdir("out")
        for image in images:
            Image.fromarray(image).save("image.png")
            place: dict[str, Any] = {}
            exec("".join(blocks), place)
            equal(own([image])[0], cut(Object(*one) for one in place["objects"]))
            classes = np.asarray(Image.open("classes.png"))
            np.testing.assert_array_equal(classes, class_ids(model, [image], FP32, "cpu")[0])
    content = Path(f"out/{arch}.onnx").read_bytes()
    facts = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert json.loads(facts["things"]) == {"1": "disc", "2": "box"}
    assert json.loads(facts["outputs"])[:2] == ["logits", "classes"] and json.loads(facts["thresholds"])

    monkeypatch.setattr(_export, "as_onnx", lambda *_: content)
    with monkeypatch.context() as broken:
        whole = ObjectOutputs.read
        broken.setattr(ObjectOutputs, "read", lambda self, outputs: whole(self, outputs)[1:])
        with pytest.raises(StateError, match=r"^ONNX of .*-0: \d+ of \d+ objects are not PyTorch's .*; nothing was wr"):
            export(find_one(arch, 0), Path("refused"))
    with torch.no_grad():
        (model.box_head.offsets if arch.startswith("mask") else model.decode_head.offset[1]).bias += 2
    save_weights(Path(f"models/{arch}/0/weights.safetensors"), model.state_dict())
    with pytest.raises(StateError, match=r"objects are not PyTorch's|a value of offsets differs from PyTorch's by 8"):
        export(find_one(arch, 0), Path("refused"))
    assert not Path("refused").exists()


def taught(model: Any) -> Any:
    """The network after a few steps on discs and boxes: its centres lie in objects, not at the edge."""
    samples = [(image, mask) for _, image, mask in dataset.iterate(PREPARED, "train")]
    pixels = torch.from_numpy(np.stack([image for image, _ in samples])).permute(0, 3, 1, 2)
    masks = np.stack([mask for _, mask in samples])
    numbers = torch.from_numpy(np.where(masks == dataset.IGNORE, 0, masks).astype(np.int32))
    optimizer = torch.optim.AdamW(model.train().parameters(), 2e-3)
    for step in range(80):
        some = torch.arange(4) + 4 * (step % 4)
        batch = {"inputs": pixels[some], "masks": torch.from_numpy(masks)[some], "objects": numbers[some]}
        made = model.data_preprocessor(batch, True)
        losses = model.loss(made["inputs"], made["data_samples"])
        total: Any = sum(value for name, value in losses.items() if "loss" in name)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return model.eval()


def equal(wanted: list[Instance], found: list[Instance]) -> None:
    """The same objects: scores within 0.0001, and masks but for a pixel where two centres are equally near."""
    pairs = paired(wanted, found)
    assert len(pairs) == len(wanted) == len(found)
    assert max(abs(one.score - other.score) for one, other in pairs) < 1e-4
    assert np.mean([overlap(one, other) for one, other in pairs]) > 0.999
