"""Describes an architecture: built with random weights, measured layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commands._resolved import resolved
from commands._shape import trained_size
from pixelproof.core.params import read_yaml
from pixelproof.core.table import text_table
from pixelproof.data.dataset import read_header
from pixelproof.nn.runtime import Compute

PREPARED = Path("data/prepared")
CITYSCAPES = 19  # classes if there is no data: what papers report with
FP32 = Compute(device="cpu", precision="fp32", channels_last=False, threads=1)


def info(name: str, scale: str | None, size: tuple[int, int] | None, classes: int | None) -> None:
    """Print the facts of one architecture; the defaults are those of params.yaml and the data."""
    config = resolved(name, scale)
    params = read_yaml(Path("params.yaml"))
    height, width = size or trained_size(params)
    there = (PREPARED / "dataset.json").is_file()
    count = classes or (len(read_header(PREPARED).classes) if there else CITYSCAPES)
    print(f"{name} at scale {config['scale']}, {count} classes, one image of {height}x{width}\n")
    print(*describe(config, height, width, count), sep="\n")


def describe(config: dict[str, Any], height: int, width: int, classes: int) -> list[str]:
    """The facts, line by line."""
    from commands._field import receptive_fields
    from pixelproof.nn.build import build_model
    from pixelproof.nn.facts import floating, logits_of, measured

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
    lines = text_table(
        ["part", "kind", "parameters", "GFLOPs"], [*rows, ["total", "", f"{parameters:,}", f"{total / 1e9:.3f}"]]
    )
    lines += ["", f"layers with weights: {', '.join(f'{count} {kind}' for kind, count in layers.items())}"]
    if idle:
        lines.append(f"{idle:,} of the parameters belong to auxiliary heads, which only training uses")
    lines += [
        f"a multiply-add counts as 2 FLOPs ({total / 2e9:.3f} GMACs); convolutions and matrix products are counted,",
        "norms, activations, pooling and resizing are not",
        "",
    ]
    names = [*(f"encoder map {i}" for i in range(len(shapes) - 1)), "logits"]
    described = [
        [name, "x".join(map(str, shape)), stride(height, shape[1]), "the whole image" if field is None else str(field)]
        for name, shape, field in zip(names, shapes, fields, strict=True)
    ]
    return [*lines, *text_table(["output", "shape", "stride", "receptive field"], described)]


def count_layers(model: Any) -> dict[str, int]:
    """How many layers of each kind there are."""
    from torch.nn.modules import batchnorm, conv, instancenorm, linear, normalization

    norms = (batchnorm._BatchNorm, instancenorm._InstanceNorm, normalization.LayerNorm, normalization.GroupNorm)
    kinds: dict[str, Any] = {"convolutions": conv._ConvNd, "linear": linear.Linear, "norms": norms}
    modules = list(model.modules())
    counts = {name: sum(isinstance(module, kind) for module in modules) for name, kind in kinds.items()}
    return {name: count for name, count in counts.items() if count}


def indented(name: str) -> str:
    """The last part of a dotted name, indented by its depth."""
    return "  " * name.count(".") + name.rsplit(".", 1)[-1]


def stride(image: int, rows: int) -> str:
    """How many rows of an image correspond to one row of a map."""
    return f"{image / rows:g}"
