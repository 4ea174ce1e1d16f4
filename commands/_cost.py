"""Measures what networks cost; commands/cost.py says what is measured and how."""

from __future__ import annotations

import copy
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from commands._shape import trained_size
from commands._trained import config_of, prepared
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_json
from pixelproof.core.machine import machine
from pixelproof.core.params import load, pick, read_yaml
from pixelproof.core.progress import track
from pixelproof.core.table import text_table
from pixelproof.nn.build import class_ids
from pixelproof.nn.runtime import Compute, out_of_memory, set_up
from stages.evaluate.params import Params
from stages.evaluate.predict import build_network

HEAD = ["architecture", "on", "parameters", "GFLOPs", "batch", "peak MiB", "median ms", "p95 ms", "images/s"]


@dataclass(frozen=True)
class Passes:
    """How many times each batch is predicted: warm-up passes, then timed ones."""

    warm_up: int
    runs: int


@dataclass(frozen=True)
class Request:
    """What the user asks for; None means the value in params.yaml."""

    archs: Sequence[str] | None
    batches: Sequence[int] | None
    size: tuple[int, int] | None  # height and width
    passes: Passes
    json: Path | None


@dataclass(frozen=True)
class Pace:
    """The memory and time of one batch."""

    batch: int
    peak_bytes: int
    median_ms: float
    p95_ms: float
    images_per_second: float


@dataclass(frozen=True)
class Cost:
    """The cost of one network. The parameters of auxiliary heads, which only training uses, are counted apart."""

    parameters: int
    auxiliary_parameters: int
    flops: int
    weight_bytes: int
    batches: list[Pace]


def measure(asked: Request) -> None:
    """Measure, print, and write the JSON if asked."""
    if asked.json and asked.json.resolve().is_relative_to(Path("metrics").resolve()):
        raise StateError(str(asked.json), "metrics/ holds only reproducible numbers", "give --json another file")
    params, everything = load("evaluate", Params), read_yaml(Path("params.yaml"))
    height, width = asked.size or trained_size(everything)
    batches = asked.batches or sorted({1, params.evaluate.batch})
    configs = {name: config_of(name) for name in asked.archs or pick(everything, "architectures")}
    classes = len(prepared().classes)
    device = set_up(params.compute)
    found = {}
    for name, path in track(configs.items(), "architectures measured", len(configs)):
        model = build_network(path, classes, params.compute, params.evaluate.overrides.get(name)).eval()
        found[name] = cost(model, params.compute, (height, width), batches, asked.passes)
    settings = params.compute.model_dump() | {"device": device, "height": height, "width": width, "classes": classes}
    settings |= asdict(asked.passes)
    print(*described(found, settings), sep="\n")
    if asked.json:
        numbers = {name: asdict(each) for name, each in found.items()}
        try:
            write_json(asked.json, {"machine": where(device), "settings": settings, "architectures": numbers})
        except OSError as error:
            raise StateError(str(asked.json), str(error.strerror).lower(), "give --json another file") from None


def cost(model: Any, compute: Compute, size: tuple[int, int], batches: Sequence[int], passes: Passes) -> Cost:
    """What a network costs for images of this height and width."""
    from pixelproof.nn.facts import flops, parameters

    device = set_up(compute)
    operations = flops(copy.deepcopy(model), *size)
    model = model.to(device)
    held = sum(weight.nbytes for weight in [*model.parameters(), *model.buffers()])
    paces = []
    for batch in batches:
        images = list(np.random.default_rng(0).integers(0, 256, (batch, *size, 3)).astype(np.uint8))
        try:
            predict = partial(class_ids, model, images, compute, device)
            peak = peak_on_cuda(predict) if device == "cuda" else peak_on_cpu(predict)
            paces.append(pace(predict, batch, held + peak, passes))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            what = f"{batch} images of {size[0]}x{size[1]}"
            raise StateError(what, "out of memory", "give a smaller --batch") from None
    return Cost(*parameters(model), operations, held, paces)


def pace(predict: Callable[[], object], batch: int, peak: int, passes: Passes) -> Pace:
    """Time the prediction of a batch. It ends with class ids in memory, so a GPU has finished by then."""
    for _ in range(passes.warm_up):
        predict()
    seconds = []
    for _ in range(passes.runs):
        start = time.perf_counter()
        predict()
        seconds.append(time.perf_counter() - start)
    median, p95 = statistics.median(seconds), float(np.percentile(seconds, 95))
    return Pace(batch, peak, round(1e3 * median, 3), round(1e3 * p95, 3), round(batch / median, 2))


def peak_on_cuda(work: Callable[[], object]) -> int:
    """The peak of tensor memory during some work, in bytes above what was allocated before."""
    import torch

    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated() - before


def peak_on_cpu(work: Callable[[], object]) -> int:
    """The same on the CPU, where torch reports each allocation to its profiler, with the running total."""
    from torch.profiler import ProfilerActivity, profile

    with without_stderr(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    with tempfile.TemporaryDirectory(prefix="pixelproof-") as folder:
        trace = Path(folder) / "trace.json"
        profiled.export_chrome_trace(os.fspath(trace))
        events = json.loads(trace.read_bytes())["traceEvents"]
    return max((event["args"]["Total Allocated"] for event in events if event.get("name") == "[memory]"), default=0)


@contextmanager
def without_stderr() -> Iterator[None]:
    """Silence stderr: the profiler's library logs its start and stop there, whatever KINETO_LOG_LEVEL says."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def where(device: str) -> str:
    """The machine, and the GPU if one was used."""
    import torch

    return f"{torch.cuda.get_device_name()}; {machine()}" if device == "cuda" else machine()


def described(found: dict[str, Cost], settings: dict[str, Any]) -> list[str]:
    """The table, below the settings it was measured with."""
    rows = [
        [
            name,
            settings["device"],
            f"{each.parameters:,}",
            f"{each.flops / 1e9:.3f}",
            str(batch.batch),
            f"{batch.peak_bytes / 2**20:.1f}",
            f"{batch.median_ms:.2f}",
            f"{batch.p95_ms:.2f}",
            f"{batch.images_per_second:.1f}",
        ]
        for name, each in found.items()
        for batch in each.batches
    ]
    text = (
        f"{settings['classes']} classes, images of {settings['height']}x{settings['width']}, {settings['precision']}, "
        f"channels_last {str(settings['channels_last']).lower()}, {settings['threads']} threads; {settings['runs']} "
        f"passes after {settings['warm_up']} warm-up passes"
    )
    return [f"measured on: {where(settings['device'])}", text, "", *text_table(HEAD, rows)]
