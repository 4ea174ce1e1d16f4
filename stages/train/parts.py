"""The parts of a network: its encoder's stages, which can be frozen, and the parts with their own learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from torch import nn

from pixelproof.core.errors import ParamsError, unknown_name


def encoder_stages(encoder: nn.Module) -> dict[str, list[str]]:
    """An encoder's stages in order, each as the names of its modules; together they are the whole encoder.

    A stage is a child of the encoder, or an entry of a child that is a list of modules. Consecutive single layers, such
    as the convolutions and norms before the first stage of a ResNet or an HRNet, are one stage.
    """
    stages: dict[str, list[str]] = {}
    waiting: list[str] = []  # modules that belong to the next stage
    layers = ""  # the current stage of single layers
    for name, child in children(encoder):
        is_layer = next(child.children(), None) is None
        if name.startswith("transition"):  # HRNet's transition to the resolutions of its next stage
            waiting.append(name)
        elif is_layer and layers:
            stages[layers].append(name)
        else:
            stages[name] = [*waiting, name]
            waiting = []
            layers = name if is_layer else ""
    return stages


def children(encoder: nn.Module) -> list[tuple[str, nn.Module]]:
    """The children that hold tensors, with lists of stages entry by entry, in the order of the forward pass."""
    found: list[tuple[str, nn.Module]] = []
    for name, child in encoder.named_children():
        if isinstance(child, nn.ModuleList) and not name.startswith("transition"):
            entries = [(f"{name}.{number}", entry) for number, entry in enumerate(child)]
            # MMSegmentation's U-Net is an encoder and a decoder in one, and lists the decoder's last level first.
            found += reversed(entries) if name == "decoder" else entries
        else:
            found.append((name, child))
    return [(name, child) for name, child in found if any(True for _ in chain(child.parameters(), child.buffers()))]


def encoder_of(model: nn.Module, key: str, value: object) -> Any:
    """A network's encoder; it is an error if there is none."""
    encoder = getattr(model, "backbone", None)
    if encoder is None:
        raise ParamsError(key, repr(value), f"a {type(model).__name__} has no encoder")
    return encoder


def freeze(model: nn.Module, count: int) -> list[str]:
    """Freeze the first stages of the encoder; return the names of their modules, which must stay in eval mode."""
    if not count:
        return []
    encoder = encoder_of(model, "train.freeze", count)
    stages = encoder_stages(encoder)
    if count > len(stages):
        raise ParamsError("train.freeze", str(count), f"the encoder has {len(stages)} stages: {', '.join(stages)}")
    names = [name for stage in list(stages.values())[:count] for name in stage]
    own = encoder.parameters(recurse=False)  # such as a transformer's position embeddings, which are added to its input
    for parameter in chain(own, *(encoder.get_submodule(name).parameters() for name in names)):
        parameter.requires_grad_(False)
    return [f"backbone.{name}" for name in names]


def train_mode(model: nn.Module, frozen: list[str]) -> None:
    """Put a network into training mode, but for frozen modules, so that their batch norm keeps its statistics.

    They are found by name: a run on several devices replaces the batch norms that were frozen.
    """
    model.train()
    for name in frozen:
        model.get_submodule(name).eval()


def groups(model: nn.Module, lr: float, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    """The optimizer's groups, one for each learning rate, the one with lr itself first; frozen weights are in none.

    MMEngine's own constructor makes a group for each weight, which slows down fused steps.
    """
    names = [name for name, child in model.named_children() if next(child.parameters(), None) is not None]
    for name in factors:
        if name not in names:
            raise unknown_name("train.optimizer.lr_factors", name, names)
    parts: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parts.setdefault(float(factors.get(name.split(".")[0], 1.0)), []).append(parameter)
    return [{"params": params, "lr": lr * factor} for factor, params in parts.items() if params]
