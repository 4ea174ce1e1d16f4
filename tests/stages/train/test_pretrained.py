"""First weights from a file: the names of others, what fits, what is refused, and a training that begins with them."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save
from torch import Tensor, nn

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import resolve
from stages.train.pretrained import match, rename, start, tensors
from tests.forked import run_forked
from tests.stages.train.conftest import Workspace, succeeded, train, train_forked
from tests.stages.train.test_repeatable import Malicious, drive

COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


def built(name: str, scale: str = "full") -> Any:
    return build_model(resolve(name, scale), 3, COMPUTE)


def randomised(network: nn.Module) -> nn.Module:
    """Batch norm with statistics that are not those of a new one."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


def load_named(model: Any, state: dict[str, Tensor]) -> str:
    """As a training does it; the line that is printed."""
    matched = match(rename(state, model), model.state_dict())
    matched.check("file.pth", "full")
    model.load_state_dict(matched.state, strict=False)
    return matched.summary()


# --- the names of others ---------------------------------------------------------------------------------------------


def torchvision_resnet18() -> dict[str, Tensor]:
    """All of its tensors by the names that torchvision's file has, from the paper's table 1; of any value."""
    state = {
        "conv1.weight": torch.randn(64, 3, 7, 7),
        "fc.weight": torch.randn(1000, 512),
        "fc.bias": torch.randn(1000),
    }
    norms = {"bn1": 64}
    for stage, (inputs, width) in enumerate(pairwise((64, 64, 128, 256, 512)), 1):
        for block in (0, 1):
            name, wide = f"layer{stage}.{block}", width if block else inputs
            state[f"{name}.conv1.weight"] = torch.randn(width, wide, 3, 3)
            state[f"{name}.conv2.weight"] = torch.randn(width, width, 3, 3)
            norms |= {f"{name}.bn1": width, f"{name}.bn2": width}
        if stage > 1:
            state[f"layer{stage}.0.downsample.0.weight"] = torch.randn(width, inputs, 1, 1)
            norms[f"layer{stage}.0.downsample.1"] = width
    four = ("weight", "bias", "running_mean", "running_var")
    return state | {f"{name}.{key}": torch.randn(width) for name, width in norms.items() for key in four}


def test_torchvisions_resnet_has_the_names_of_ours() -> None:
    """20 convolutions and 20 norms of four tensors; the classifier is not ours. A v1c stem is another network."""
    state, model = torchvision_resnet18(), built("unet-r18")
    assert load_named(model, state) == "100 matched, 0 missing, 2 unexpected of the encoder, 0 of the decoder"
    loaded = model.backbone.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items() if not key.startswith("fc."))
    with pytest.raises(DataError, match=r"90% of the encoder.*found 95 of 110 \(backbone.stem.0.weight is not there; "):
        load_named(built("fcn-r18-d8"), state)
    small = built("unet-r18", "small")
    with pytest.raises(DataError, match=r"is 64x3x7x7, not 16x3x7x7; .*train.scale: full"):
        match(rename(state, small), small.state_dict()).check("file.pth", "small")


def vgg16(norm: bool) -> nn.Module:
    """torchvision's `features`: every convolution has a bias, with and without batch norm."""
    layers: list[nn.Module] = []
    inputs = 3
    for width, count in zip((64, 128, 256, 512, 512), (2, 2, 3, 3, 3), strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize(("name", "count"), [("unet-vgg16", 26), ("unet-vgg16-bn", 65)])
def test_torchvisions_vgg16_computes_the_same_here(name: str, count: int) -> None:
    """The last stage's map is that of the reference, though our convolutions before a batch norm have no bias."""
    torch.manual_seed(0)
    reference = randomised(vgg16(norm=name.endswith("bn")))
    state = {f"features.{key}": value for key, value in reference.state_dict().items()}
    model = built(name).eval()
    state |= {"classifier.0.weight": torch.zeros(4, 4)}
    assert load_named(model, state) == f"{count} matched, 0 missing, 1 unexpected of the encoder, 0 of the decoder"
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(model.backbone(image)[-1], reference(image), rtol=1e-4, atol=1e-4)
    with pytest.raises(DataError, match="90%"):
        load_named(built("unet-vgg16" if name.endswith("bn") else "unet-vgg16-bn"), state)


def pair(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution and its batch norm."""
    padding = kernel // 2
    return [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs)]


class Bottleneck(nn.Module):
    """An inverted residual in torchvision's layout: pairs with their ReLU6 nested, the last one flat."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        first = [nn.Sequential(*pair(inputs, wide, 1), nn.ReLU6())] if expansion > 1 else []
        depthwise = nn.Sequential(*pair(wide, wide, 3, stride, wide), nn.ReLU6())
        self.conv = nn.Sequential(*first, depthwise, *pair(wide, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


def mobilenet_v2() -> nn.Module:
    """Sandler et al. 2018, table 2, without its last 1x1 convolution."""
    layers: list[nn.Module] = [nn.Sequential(*pair(3, 32, 3, 2), nn.ReLU6())]
    inputs = 32
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, width, count, stride in table:
        for number in range(count):
            layers.append(Bottleneck(inputs, width, 1 if number else stride, expansion))
            inputs = width
    return nn.Sequential(*layers)


def test_torchvisions_mobilenet_computes_the_same_here() -> None:
    """All 17 blocks find their place; torchvision's last convolution and classifier have none."""
    torch.manual_seed(0)
    reference, model = randomised(mobilenet_v2()), built("unet-mobilenetv2").eval()
    state = {f"features.{key}": value for key, value in reference.state_dict().items()}
    state["features.18.0.weight"] = torch.zeros(1280, 320, 1, 1)
    assert load_named(model, state).startswith("255 matched, 0 missing, 1 unexpected")
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(model.backbone(image)[-1], reference(image), rtol=1e-4, atol=1e-4)


# --- files -----------------------------------------------------------------------------------------------------------


def saved(path: Path, value: Any) -> bytes:
    torch.save(value, path)
    return path.read_bytes()


def test_nests_and_prefixes_are_taken_off(tmp_path: Path) -> None:
    """A bare encoder, a wrapped one, one in a whole network, in a checkpoint, in safetensors: the same in the end."""
    model = built("fcn-r18-d8", "small")
    bare = {key: value + 1 for key, value in model.backbone.state_dict().items()}
    whole = {f"backbone.{key}": value for key, value in bare.items()}
    files = {
        "a.pth": saved(tmp_path / "a", bare),
        "b.pth": saved(tmp_path / "b", {"state_dict": {f"module.{key}": value for key, value in whole.items()}}),
        "c.pt": saved(tmp_path / "c", {"epoch": 3, "model": {"state_dict": bare}}),
        "d.safetensors": save(whole),
    }
    for name, content in files.items():
        matched = match(rename(tensors(name, content), model), model.state_dict())
        assert not matched.missing and not matched.unexpected, name
        assert all(torch.equal(matched.state[key], value) for key, value in whole.items()), name


def test_nine_tenths_are_enough_and_less_is_not() -> None:
    """Of ten tensors one may be missing; one of another shape counts as missing, a counter of batches as nothing."""
    target = {f"backbone.{i}": torch.zeros(2) for i in range(10)} | {"backbone.num_batches_tracked": torch.zeros(())}
    state = {f"backbone.{i}": torch.ones(2) for i in range(9)}
    match(state, target).check("f", "full")
    with pytest.raises(DataError, match=r"found 8 of 10 \(backbone.8 is 3, not 2; backbone.9 is not there\)"):
        match(state | {"backbone.8": torch.ones(3)}, target).check("f", "full")


@pytest.mark.parametrize("content", [b"", b"\x80\x04nothing", np.random.default_rng(0).bytes(500)])
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_what_is_no_weights_is_one_line(name: str, content: bytes) -> None:
    """Of a pickle that does not end well nobody can tell what it was to do."""
    pickled = name == "a.pth" and content
    expected = "weights alone, which run no code, found more" if pickled else "a whole file, found a damaged one"
    with pytest.raises(DataError, match=f"{name}: expected {expected}") as caught:
        tensors(name, content)
    assert "\n" not in str(caught.value)


def test_a_network_without_an_encoder_takes_none() -> None:
    config = resolve("kmeans", "small") | {"pretrained": {"path": "pretrained/a.pth", "sha256": "0" * 64}}
    with pytest.raises(ParamsError, match=r"train.pretrained: found 'pretrained/a.pth'; .* has no encoder"):
        start(built("kmeans", "small"), config, print)


# --- a training ------------------------------------------------------------------------------------------------------


def configure(root: Path, source: str | None = None) -> None:
    """Name first weights in params.yaml, and run the real configure."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["train"]["pretrained"] = source or params["train"]["pretrained"]
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    succeeded(run_forked(["-m", "stages.configure"], root), check=True)


def test_own_weights_begin_another_training(workspace: Workspace) -> None:
    """Trained with 3 classes, taken up with 5: all of the encoder, and of the decoder all but the class layers. With
    the whole encoder frozen it is published as it came, averaged weights included; killed, it resumes without the file.
    """
    steps = {"iterations": 2, "val_interval": 2, "checkpoint_interval": 2}
    first = workspace("first", **steps)
    train_forked(first)
    weights = first / "models/unet/0/weights.safetensors"
    before = load_file(weights)
    encoder = [key for key in before if key.startswith("backbone.")]
    counted = sum("num_batches" not in key for key in encoder)
    others = sum("num_batches" not in key and "conv_seg" not in key for key in before) - counted
    line = f"pretrained: {counted} matched, 0 missing, 0 unexpected of the encoder, {others} of the decoder (4 of other"

    roots = [workspace(name, more=2, freeze=7, ema=0.5, **steps | {"checkpoint_interval": 1}) for name in ("a", "b")]
    for root in roots:
        (root / "pretrained").mkdir()
        shutil.copy(weights, root / "pretrained")
        configure(root, "pretrained/weights.safetensors")
    assert line in train(roots[0]).stdout
    after = load_file(roots[0] / "models/unet/0/weights.safetensors")
    assert after["decode_head.conv_seg.weight"].shape[0] == 5
    assert all(torch.equal(after[key], before[key]) for key in encoder)

    assert drive(roots[1], "iteration:2").returncode == -signal.SIGKILL
    (roots[1] / "pretrained/weights.safetensors").unlink()
    assert "resumed after iteration 1" in train_forked(roots[1]).stdout
    assert (roots[1] / "models/unet/0/weights.safetensors").read_bytes() == (
        roots[0] / "models/unet/0/weights.safetensors"
    ).read_bytes()


def test_a_file_that_is_not_the_configured_one_or_runs_code_is_refused(workspace: Workspace) -> None:
    """Changed after configure, and crafted: one line each, and nothing of it runs."""
    root = workspace("crafted")
    (root / "pretrained").mkdir()
    path = root / "pretrained/crafted.pth"
    torch.save({"state_dict": {"backbone.a": Malicious(root / "was-run")}}, path)
    configure(root, "pretrained/crafted.pth")
    refused = train_forked(root, check=False)
    assert refused.returncode == 2 and "expected weights alone, which run no code" in refused.stderr
    assert "Traceback" not in refused.stderr and not (root / "was-run").exists()
    weights = {"backbone.a": torch.ones(4, 4)}
    odd = {
        "is sparse, quantised or without data": {"backbone.a": weights["backbone.a"].to_sparse()},
        "is complex": {"backbone.a": torch.ones(2, dtype=torch.complex64)},
        "holds what is not a number": {"backbone.a": torch.tensor([1.0, torch.nan])},
        "of the encoder's tensors or more": {"features.0.weight": torch.ones(3), "features.bias": torch.ones(2)},
    }
    for said, state in odd.items():
        torch.save(state, path)
        configure(root, "pretrained/crafted.pth")
        refused = train_forked(root, check=False)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr
    path.write_bytes(path.read_bytes()[:-99])
    configure(root, "pretrained/crafted.pth")
    assert "expected a whole file, found a damaged one" in train_forked(root, check=False).stderr
    path.write_bytes(b"other")
    refused = train_forked(root, check=False)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert hashlib.sha256(b"other").hexdigest()[:16] in refused.stderr and "`dvc repro configure`" in refused.stderr
    assert json.loads((root / "data/configs/unet.json").read_text())["pretrained"]["path"] == "pretrained/crafted.pth"
