"""`python benchmarks/regions.py [THREADS]`: what objects cost on the CPU, beside ONNX Runtime's own operators.

RoIAlign and non-maximum suppression are plain torch here; ONNX Runtime has both compiled. They take turns in one
process, A B A B, on the same input, and must give the same result; ratios are within a round, the tables have medians.
Target: RoIAlign within 3 times of ONNX Runtime's time. Then a whole prediction by `mask-rcnn-*` at `small`: the class
of every pixel and each object; target: 1.5 s for an image of 512x512 on two cores, in fp32. Weights are random; the
table says how many objects they find, of the 100 that are kept at most.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.common import print_table
from pixelproof.nn.build import build_model, class_logits
from pixelproof.nn.regions import Bins, roi_align
from pixelproof.nn.runtime import Compute
from pixelproof.nn.suppression import suppress
from stages.configure.resolve import resolve
from stages.evaluate.detect import detect

ROUNDS, CHANNELS, STRIDE, CLASSES = 15, 256, 4, 9
MAPS, COUNTS, SIDES = (32, 64, 128), (100, 500, 1000), (7, 14)
PHOTOGRAPH = 512
Work = Callable[[], NDArray[Any]]


def session(node: Any, inputs: dict[str, NDArray[Any]], kind: int, threads: int) -> Work:
    """A single operator in ONNX Runtime, on some inputs."""
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    typed = [helper.make_tensor_value_info(name, kinds[array.dtype], array.shape) for name, array in inputs.items()]
    graph = helper.make_graph([node], "one operator", typed, [helper.make_tensor_value_info("found", kind, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    made = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return lambda: np.asarray(made.run(None, inputs)[0])


def in_turns(works: Sequence[Work], rounds: int) -> list[list[float]]:
    """The seconds of each in each round, after one that does not count."""
    for work in works:
        work()
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for times, work in zip(found, works, strict=True):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return found


def boxes_in(extent: int, count: int, draw: np.random.Generator) -> NDArray[np.float32]:
    """Boxes with sides of an eighth to a half of the image, around a tenth as many places: most overlap others."""
    places = draw.uniform(0, extent, (max(1, count // 10), 2))[draw.integers(0, max(1, count // 10), count)]
    centres, half = places + draw.normal(0, extent / 50, (count, 2)), draw.uniform(extent / 16, extent / 4, (count, 2))
    corners = np.hstack([centres - half, centres + half])
    return np.clip(corners, 0, extent).astype(np.float32)


def pooled(features: torch.Tensor, regions: tuple[torch.Tensor, torch.Tensor, Bins]) -> NDArray[Any]:
    """What ours gives."""
    found: NDArray[Any] = roi_align(features, *regions).numpy()
    return found


def aligned(side: int, count: int, bins: int, threads: int) -> list[str]:
    """A row of the table of RoIAlign."""
    draw = np.random.default_rng(0)
    features = torch.from_numpy(draw.normal(size=(1, CHANNELS, side, side)).astype(np.float32))
    boxes, images = boxes_in(side * STRIDE, count, draw), np.zeros(count, np.int64)
    options: dict[str, Any] = {"output_height": bins, "output_width": bins, "sampling_ratio": 2}
    options |= {"spatial_scale": 1 / STRIDE, "coordinate_transformation_mode": "half_pixel"}
    node = helper.make_node("RoiAlign", ["x", "boxes", "images"], ["found"], **options)
    theirs = session(node, {"x": features.numpy(), "boxes": boxes, "images": images}, TensorProto.FLOAT, threads)
    regions = torch.from_numpy(boxes), torch.from_numpy(images), Bins(bins, bins, 1 / STRIDE)
    laid = [features.contiguous(memory_format=layout) for layout in (torch.channels_last, torch.contiguous_format)]
    ours = [partial(pooled, given, regions) for given in laid]
    for work in ours:
        np.testing.assert_allclose(work(), theirs(), atol=1e-4)
    return [f"{CHANNELS}x{side}x{side}", str(count), f"{bins}x{bins}", *cells([*ours, theirs])]


def suppressed(count: int, above: float, threads: int) -> list[str]:
    """A row of the table of non-maximum suppression."""
    draw = np.random.default_rng(1)
    boxes, scores = boxes_in(PHOTOGRAPH, count, draw), draw.permutation(count).astype(np.float32) / count
    inputs: dict[str, Any] = {"boxes": boxes[None, :, [1, 0, 3, 2]], "scores": scores[None, None]}
    inputs |= {"most": np.array([count]), "above": np.array([above], np.float32)}
    node = helper.make_node("NonMaxSuppression", list(inputs), ["found"])
    theirs = session(node, inputs, TensorProto.INT64, threads)
    given = torch.from_numpy(boxes), torch.from_numpy(scores)
    kept = suppress(*given, above).tolist()
    assert kept == theirs()[:, 2].tolist()
    return [str(count), str(above), str(len(kept)), *cells([lambda: suppress(*given, above).numpy(), theirs])]


def cells(works: Sequence[Work]) -> list[str]:
    """Median times, and how many times the last one's the others take."""
    found = in_turns(works, ROUNDS)
    times = [f"{1000 * statistics.median(each):.2f} ms" for each in found]
    return times + [f"{statistics.median(np.divide(each, found[-1]).tolist()):.2f}" for each in found[:-1]]


def predicted(arch: str, size: str) -> list[str]:
    """A row of the table of whole predictions, as evaluate and predict make them."""
    compute = Compute(device="cpu", precision="fp32", channels_last=True, threads=torch.get_num_threads())
    torch.manual_seed(0)
    model = build_model(resolve(arch, size), CLASSES, compute).eval().to(memory_format=torch.channels_last)
    image = np.random.default_rng(2).integers(0, 256, (PHOTOGRAPH, PHOTOGRAPH, 3)).astype(np.uint8)
    things = list(range(CLASSES // 2, CLASSES))

    def classes() -> NDArray[Any]:
        logits: Tensor = class_logits(model, [image], compute, "cpu")
        return logits.argmax(1).numpy()

    def objects() -> NDArray[Any]:
        return np.array([len(detect(model, things, compute, "cpu", [image])[0])])

    alone, each = in_turns([classes, objects], ROUNDS)
    both = [one + other for one, other in zip(alone, each, strict=True)]
    medians = [f"{statistics.median(times):.2f} s" for times in (alone, each, both)]
    return [f"{arch}, `{size}`", str(objects()[0]), *medians, f"{max(both):.2f} s"]


def main(arguments: Sequence[str] = sys.argv[1:]) -> None:
    """Measure and print."""
    threads = int(arguments[0]) if arguments else os.cpu_count() or 1
    torch.set_num_threads(threads)
    told = f"{threads} thread{'s' if threads > 1 else ''}, medians of {ROUNDS} rounds"
    head = ["features", "boxes", "bins", "ours, channels last", "ours", "ONNX Runtime", "ratio, channels last", "ratio"]
    rows = [aligned(side, count, bins, threads) for side in MAPS for count in COUNTS for bins in SIDES]
    print_table(f"RoIAlign with 2x2 samples in a bin: {told}", head, rows)
    print()
    rows = [suppressed(count, above, threads) for count in (100, 500, 1000, 2000) for above in (0.5, 0.7)]
    print_table(f"Non-maximum suppression: {told}", ["boxes", "IoU", "kept", "ours", "ONNX Runtime", "ratio"], rows)
    print()
    rows = [predicted(arch, "small") for arch in ("mask-rcnn-lite0-fpn", "mask-rcnn-r18-fpn", "panoptic-deeplab-r18")]
    head = ["network", "found", "classes", "objects", "**both**", "slowest"]
    print_table(f"A prediction of {PHOTOGRAPH}x{PHOTOGRAPH}: {told}", head, rows)


if __name__ == "__main__":
    main()
