"""The parts of a network: stages of every encoder, what freezing keeps, and learning rates by part."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from pixelproof.core.errors import ParamsError
from pixelproof.nn.build import build_model
from pixelproof.nn.runtime import Compute
from stages.configure.resolve import names, resolve
from stages.train.parts import encoder_stages, freeze, groups, train_mode
from tests.stages.train.conftest import TRAIN, Workspace, train_forked

COMPUTE = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
WITHOUT = {"kmeans"}


def built(name: str) -> Any:
    return build_model(resolve(name, "small"), 3, COMPUTE)


@pytest.mark.parametrize("name", [name for name in names() if name not in WITHOUT])
def test_stages_are_disjoint_and_all_of_the_encoder(name: str) -> None:
    """Each weight and each buffer of the encoder is in one stage, and nothing else is."""
    encoder = built(name).backbone
    stages = encoder_stages(encoder)
    assert len(stages) > 1
    modules = [encoder.get_submodule(name) for stage in stages.values() for name in stage]
    found = [id(t) for m in modules for t in chain(m.parameters(), m.buffers())]
    assert sorted(found) == sorted(id(t) for t in chain(encoder.parameters(), encoder.buffers()))


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("fcn-r18-d8", "stem layer1 layer2 layer3 layer4"),
        ("unet-r18", "conv1 layer1 layer2 layer3 layer4"),
        ("unet-vgg16", "stages.0 stages.1 stages.2 stages.3 stages.4"),
        ("segnet", "stages.0 stages.1 stages.2 stages.3 stages.4"),
        ("unet", "encoder.0 encoder.1 encoder.2 encoder.3 decoder.2 decoder.1 decoder.0"),
        ("unet-mobilenetv2", "conv1 layer1 layer2 layer3 layer4 layer5 layer6 layer7"),
        ("unet-lite0", "stem stages.0 stages.1 stages.2 stages.3 stages.4 stages.5 stages.6"),
        ("segformer-b0", "layers.0 layers.1 layers.2 layers.3"),
        ("ocrnet-hr18s", "conv1 layer1 stage2 stage3 stage4"),
        ("bisenetv2", "detail semantic bga"),
        ("deeplabv3plus-xception65", "stem block1 block2 block3 middle block4 exit"),
    ],
)
def test_stages_come_in_the_order_in_which_an_image_passes_them(name: str, stages: str) -> None:
    """As the papers draw them: single layers at the entrance are one stem, HRNet's transitions go with what follows."""
    assert " ".join(encoder_stages(built(name).backbone)) == stages


@pytest.mark.parametrize(
    "name", ["unet", "fcn-r18-d8", "ocrnet-hr18s", "segformer-b0", "unet-mobilenetv2", "unet-lite0"]
)
def test_the_order_is_that_of_the_forward_pass(name: str) -> None:
    """Independent of names: stages are first entered in the order in which they are listed."""
    model, entered = built(name).eval(), list[str]()
    for stage, parts in encoder_stages(model.backbone).items():
        modules = [module for part in parts for module in model.backbone.get_submodule(part).modules()]
        for leaf in (module for module in modules if not list(module.children())):
            leaf.register_forward_pre_hook(lambda *_, stage=stage: entered.append(stage))
    model.backbone(torch.zeros(2, 3, 64, 64))
    assert list(dict.fromkeys(entered)) == list(encoder_stages(model.backbone))


def test_too_many_stages_is_an_error_that_counts_them() -> None:
    """All stages can be frozen, one more cannot; a network without an encoder has none to freeze."""
    freeze(built("fcn-r18-d8"), 5)
    with pytest.raises(ParamsError, match=r"train.freeze: found 6; the encoder has 5 stages: stem, layer1"):
        freeze(built("fcn-r18-d8"), 6)
    assert freeze(built("kmeans"), 0) == []
    with pytest.raises(ParamsError, match=r"train.freeze: found 1; a KMeansSegmentor has no encoder"):
        freeze(built("kmeans"), 1)


@pytest.mark.parametrize("replaced", [False, True], ids=["one device", "several devices"])
def test_frozen_batch_norm_stays_as_it_is(replaced: bool) -> None:
    """In training mode a forward pass moves the statistics of the others alone; also where, as for a run on
    several devices, other batch norms took the place of those that were frozen."""
    model = built("unet-r18")
    frozen = freeze(model, 2)
    if replaced:
        model.backbone.bn1 = nn.BatchNorm2d(16)
    train_mode(model, frozen)
    before = {key: value.clone() for key, value in model.backbone.state_dict().items() if "running" in key}
    model.backbone(torch.randn(2, 3, 64, 64))
    after = model.backbone.state_dict()
    moved = {key.split(".")[0] for key, value in before.items() if not torch.equal(value, after[key])}
    assert moved == {"layer2", "layer3", "layer4"}


def test_one_group_for_each_learning_rate() -> None:
    """Every weight that learns is in one group; the plain lr comes first, and parts of one factor share a group."""
    model = built("fcn-r18-d8")
    freeze(model, 1)
    found = groups(model, 0.01, {"backbone": 0.1, "auxiliary_head": 0.1})
    assert [group["lr"] for group in found] == pytest.approx([0.01, 0.001])
    assert ids(found[0]["params"]) == ids(model.decode_head.parameters())
    slow = chain(*(getattr(model.backbone, f"layer{i}").parameters() for i in range(1, 5)))
    assert ids(found[1]["params"]) == ids([*slow, *model.auxiliary_head.parameters()])
    assert len(groups(model, 0.01, {})) == 1
    with pytest.raises(ParamsError, match=r"lr_factors: found 'head'; allowed: auxiliary_head, backbone, decode_head"):
        groups(model, 0.01, {"head": 0.1})


def ids(parameters: Any) -> set[int]:
    return {id(parameter) for parameter in parameters}


def test_what_is_frozen_and_what_has_no_learning_rate_stays(workspace: Workspace) -> None:
    """After 3 and after 6 iterations, with averaged weights: a frozen stage is the same in all its bytes, a part whose
    factor is 0 in its weights but not in its batch norm's statistics, and the decoder has learnt."""
    runs: list[dict[str, torch.Tensor]] = []
    optimizer = TRAIN["optimizer"] | {"lr_factors": {"backbone": 0.0}}
    for count in (3, 6):
        steps = {"iterations": count, "val_interval": count}
        root = workspace(f"w{count}", freeze=2, optimizer=optimizer, ema=0.5, **steps)
        train_forked(root)
        runs.append(load_file(root / "models/unet/0/weights.safetensors"))
    moved = {key for key in runs[0] if not torch.equal(runs[0][key], runs[1][key])}
    frozen = {key for key in runs[0] if key.startswith(("backbone.encoder.0.", "backbone.encoder.1."))}
    slow = {key for key in runs[0] if key.startswith("backbone.")} - frozen
    statistics = {key for key in slow if "running" in key}
    assert frozen and not moved & frozen
    assert statistics and statistics == {key for key in moved & slow if "num_batches" not in key}
    assert "decode_head.conv_seg.weight" in moved


def test_an_unknown_part_and_too_many_stages_are_one_line(workspace: Workspace) -> None:
    """What only the network can tell is said by the training, without a traceback."""
    for name, change, message in (
        ("parts", {"optimizer": TRAIN["optimizer"] | {"lr_factors": {"bakbone": 0.1}}}, "did you mean 'backbone'?"),
        ("stages", {"freeze": 99}, "the encoder has 7 stages"),
    ):
        refused = train_forked(workspace(name, **change), check=False)
        assert refused.returncode == 2 and message in refused.stderr and "Traceback" not in refused.stderr


def test_direct_parameters_of_an_encoder_freeze_with_its_entrance() -> None:
    """A transformer's positions belong to no layer."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.positions = nn.Parameter(torch.zeros(4))
            self.first, self.second = nn.Sequential(nn.Linear(4, 4)), nn.Sequential(nn.Linear(4, 4))

    model = nn.Module()
    model.backbone = Encoder()
    freeze(model, 1)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        "backbone.second.0.weight",
        "backbone.second.0.bias",
    }
