"""A network with its preprocessing (pixels in, logits and class ids out), and its cost, computed from shapes alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

Part = tuple[str, str, int, int]  # name, kind, parameters, FLOPs
LEVELS = 2  # how deep the parts of a network are listed


class Deployed(nn.Module):
    """A network together with its preprocessing.

    Takes uint8 RGB images (N, H, W, 3); returns logits (N, C, H, W) and class ids (N, H, W).
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logits and the class ids, at the size of the images."""
        height, width = image.shape[1:3]
        inputs = self.model.data_preprocessor({"inputs": image.permute(0, 3, 1, 2)}, False)["inputs"]
        logits = logits_of(self.model, inputs)[..., :height, :width]
        return logits, logits.argmax(dim=1).to(torch.uint8)


def logits_of(model: Any, inputs: Tensor) -> Tensor:
    """The logits of normalised images (NCHW), at their size."""
    metas = [{"img_shape": tuple(inputs.shape[2:])}]  # one is enough; len(inputs) would fix the batch size on export
    logits: Tensor = model.encode_decode(inputs, metas)
    return logits


def floating(found: Any) -> list[Tensor]:
    """The feature maps in an encoder's output, without the max-pooling indices that some encoders return too."""
    if isinstance(found, dict):
        found = found.values()
    maps = [found] if isinstance(found, Tensor) else found
    return [features for features in maps if features.is_floating_point() and features.dim() == 4]


def measured(model: Any, height: int, width: int) -> tuple[list[Part], int, list[tuple[int, ...]]]:
    """The parameters and the FLOPs per image of each part of a network, and the shapes of its feature maps.

    Args:
        model: A network on the meta device, which computes only shapes.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Returns:
        The parts, the total FLOPs, and the shapes (C, H, W) of the feature maps and, last, of the logits.
    """
    leaves = {name: module for name, module in model.named_modules() if not next(module.children(), None)}
    flops, started = dict.fromkeys(leaves, 0), [0]
    image = torch.zeros(1, height, width, 3, dtype=torch.uint8, device="meta")
    counter = FlopCounterMode(display=False)

    def begin(*_: Any) -> None:
        started[0] = counter.get_total_flops()

    def end(name: str) -> Any:
        def add(*_: Any) -> None:
            flops[name] += counter.get_total_flops() - started[0]

        return add

    for name, module in leaves.items():
        module.register_forward_pre_hook(begin)
        module.register_forward_hook(end(name))
    with torch.no_grad():
        with counter:
            logits, _ = Deployed(model)(image)
        inputs = model.data_preprocessor({"inputs": image.permute(0, 3, 1, 2)}, False)["inputs"]
        maps = floating(model.backbone(inputs))
    shapes = [tuple(features.shape[1:]) for features in [*maps, logits]]
    return parts_of(model, flops, counter.get_total_flops()), counter.get_total_flops(), shapes


def parts_of(model: Any, flops: dict[str, int], total: int) -> list[Part]:
    """The parts that have parameters or FLOPs, two levels deep; a part's FLOPs are the sum over the layers in it.

    Args:
        model: The network.
        flops: The FLOPs of each leaf layer.
        total: The FLOPs of the whole network. Those outside any leaf layer are listed as `between layers`.
    """
    parts = []
    for name, module in model.named_modules():
        parameters = sum(weight.numel() for weight in module.parameters())
        inside = sum(count for leaf, count in flops.items() if leaf == name or leaf.startswith(f"{name}."))
        if name and name.count(".") < LEVELS and (parameters or inside):
            parts.append((name, type(module).__name__, parameters, inside))
    between = total - sum(flops.values())
    return [*parts, ("between layers", "products of maps", 0, between)] if between else parts


def parameters(model: Any) -> tuple[int, int]:
    """How many parameters prediction uses, and how many belong to auxiliary heads, which only training uses."""
    idle = model.auxiliary_head.parameters() if getattr(model, "with_auxiliary_head", False) else ()
    auxiliary = sum(weight.numel() for weight in idle)
    return sum(weight.numel() for weight in model.parameters()) - auxiliary, auxiliary


def flops(model: Any, height: int, width: int) -> int:
    """The FLOPs of predicting one image, counted as in `measured`.

    The model is moved to the meta device and cannot be used afterwards.
    """
    if hasattr(model, "backbone"):
        return measured(model.to("meta"), height, width)[1]
    # K-means is not a neural network. It is run for real, because the meta device lacks the operations it needs.
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        Deployed(model)(torch.zeros(1, height, width, 3, dtype=torch.uint8))
    return counter.get_total_flops()
