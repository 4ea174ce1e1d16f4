"""What an architecture is: layers, parameters, FLOPs, output strides and receptive fields. Nothing need be trained."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.dataset import read_header
from stages.errors import run_main
from stages.models.runtime import Compute
from stages.params import pick, read_yaml
from stages.train.commands._resolved import resolved

if TYPE_CHECKING:
    from torch import Tensor

PREPARED = Path("data/prepared")
LEVELS = 2  # of parts in parts
CITYSCAPES = 19  # classes, where there is no data: what papers count with
FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)
Part = tuple[str, str, int, int]  # name, kind, parameters, FLOPs


def main() -> None:
    """Print the facts of one architecture."""
    parser = argparse.ArgumentParser(prog="python -m stages.train info", description=__doc__)
    parser.add_argument("name", help="any architecture of stages/configure/architectures")
    parser.add_argument("--scale", choices=["small", "full"], help="default: train.scale of params.yaml")
    parser.add_argument("--size", type=size, metavar="HxW", help="of an image; default: that of prepare in params.yaml")
    parser.add_argument("--classes", type=positive, help=f"default: those of data/prepared, else {CITYSCAPES}")
    arguments = parser.parse_args()
    config = resolved(arguments.name, arguments.scale)
    params = read_yaml(Path("params.yaml"))
    height, width = arguments.size or (pick(params, "prepare.height"), pick(params, "prepare.width"))
    there = (PREPARED / "dataset.json").is_file()
    classes = arguments.classes or (len(read_header(PREPARED).classes) if there else CITYSCAPES)
    print(f"{arguments.name} at scale {config['scale']}, {classes} classes, one image of {height}x{width}\n")
    print(*describe(config, height, width, classes), sep="\n")


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """Height and width."""
    if not (match := re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 512x1024, found {text!r}")
    return int(match[1]), int(match[2])


def describe(config: dict[str, Any], height: int, width: int, classes: int) -> list[str]:
    """The facts, line by line."""
    from stages.models.build import build_model
    from stages.train.commands._field import receptive_fields
    from stages.train.commands._network import logits_of

    model = build_model(config, classes, FP32).eval()
    if not hasattr(model, "backbone"):
        return ["no layers: it predicts each pixel without a network"]
    fields = receptive_fields(lambda images: floating(model.backbone(images)))
    fields += receptive_fields(lambda images: [logits_of(model, images)])
    layers = count_layers(model)
    parts, total, shapes = measured(model.to("meta"), height, width)
    idle = sum(count for name, _, count, _ in parts if name == "auxiliary_head")
    parameters = sum(count for name, _, count, _ in parts if "." not in name)
    rows = [[indented(name), kind, f"{count:,}", f"{flops / 1e9:.3f}"] for name, kind, count, flops in parts]
    lines = table(
        ["part", "kind", "parameters", "GFLOPs"], [*rows, ["in all", "", f"{parameters:,}", f"{total / 1e9:.3f}"]]
    )
    lines += ["", f"layers with weights: {', '.join(f'{count} {kind}' for kind, count in layers.items())}"]
    if idle:
        lines.append(f"of the parameters, {idle:,} are of auxiliary heads, which only training uses")
    lines += [
        f"a multiply-add counts as 2 FLOPs: {total / 2e9:.3f} GMACs; convolutions and matrix products are counted, and",
        "neither norms, activations, pooling nor resizing",
        "",
    ]
    names = [*(f"encoder's map {i}" for i in range(len(shapes) - 1)), "logits"]
    described = [
        [name, "x".join(map(str, shape)), stride(height, shape[1]), "the whole image" if field is None else str(field)]
        for name, shape, field in zip(names, shapes, fields, strict=True)
    ]
    return [*lines, *table(["output", "shape", "stride", "receptive field"], described)]


def floating(found: Any) -> list[Tensor]:
    """The feature maps of what an encoder gives, without the positions of maxima beside them."""
    maps = found.values() if isinstance(found, dict) else found if isinstance(found, list | tuple) else [found]
    return [features for features in maps if features.is_floating_point() and features.dim() == 4]


def count_layers(model: Any) -> dict[str, int]:
    """How many layers of each kind there are."""
    from torch.nn.modules import batchnorm, conv, instancenorm, linear, normalization

    norms = (batchnorm._BatchNorm, instancenorm._InstanceNorm, normalization.LayerNorm, normalization.GroupNorm)
    kinds: dict[str, Any] = {"convolutions": conv._ConvNd, "linear": linear.Linear, "norms": norms}
    modules = list(model.modules())
    counts = {name: sum(isinstance(module, kind) for module in modules) for name, kind in kinds.items()}
    return {name: count for name, count in counts.items() if count}


def measured(model: Any, height: int, width: int) -> tuple[list[Part], int, list[tuple[int, ...]]]:
    """The parts of a network on the meta device (which computes shapes alone), all FLOPs, and the shapes of its maps
    and its logits, for one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from stages.train.commands._network import Deployed

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
    """The parts that have parameters or FLOPs, down to two levels; a part's FLOPs are those of the layers in it."""
    parts = []
    for name, module in model.named_modules():
        parameters = sum(weight.numel() for weight in module.parameters())
        inside = sum(count for leaf, count in flops.items() if leaf == name or leaf.startswith(f"{name}."))
        if name and name.count(".") < LEVELS and (parameters or inside):
            parts.append((name, type(module).__name__, parameters, inside))
    between = total - sum(flops.values())
    return [*parts, ("between layers", "products of maps", 0, between)] if between else parts


def indented(name: str) -> str:
    """The last part of a dotted name, below those before it."""
    return "  " * name.count(".") + name.rsplit(".", 1)[-1]


def stride(image: int, rows: int) -> str:
    """How many rows of an image there are for one of a map."""
    return f"{image / rows:g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns, the first two to the left and the others to the right."""
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    aligned = [
        [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))] for r in cells
    ]
    return ["  ".join(row).rstrip() for row in aligned]


if __name__ == "__main__":
    run_main(main)
