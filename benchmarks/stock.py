"""MMSegmentation's own training: the zoo's config, run by MMEngine's Runner, with one change after another.

The config is the zoo's file for Cityscapes, changed only as another dataset and machine require: the dataset with its
size and classes, the batch size, the loader's workers, batch norm for a single process, no pretrained weights, and our
augmentation (flips). Unchanged: network, losses, optimizer, schedule, hooks, loop, loader.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from commands._pace import hold_loops
from pixelproof.data import dataset
from stages.configure.resolve import ARCHITECTURES, read, walk

CONFIGS = {
    "unet": "unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py",
    "deeplabv3plus-r18": "deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py",
    "deeplabv3plus-r50": "deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py",
}
# What the project's training does differently, in the order in which the table adds it to stock.
LAYOUT, BF16, FUSED, NO_ACCURACY = CHANGES = (
    "channels_last",
    "bf16 autocast",
    "fused optimizer",
    "no accuracy of training batches",
)


@dataclass(frozen=True)
class Task:
    """What both sides train: one architecture at one scale, on one prepared dataset, with the same machine settings."""

    arch: str
    scale: str
    workspace: Path
    batch: int
    workers: int
    threads: int
    flips: tuple[str, ...]
    precision: str = "fp32"


def stock_config(task: Task, work: Path, seed: int = 0) -> Any:
    """The zoo's config for a task."""
    import mmseg
    from mmengine.config import Config

    config = Config.fromfile(Path(mmseg.__file__).parent / ".mim/configs" / CONFIGS[task.arch])
    if task.scale == "small":
        config.merge_from_dict({"model": read(ARCHITECTURES / f"{task.arch}.py").small.to_dict()})
    prepared = (task.workspace / "data/prepared").resolve()
    header = dataset.read_header(prepared)
    sample = dataset.read_split(prepared, "train")[0]
    config.model.pretrained = None
    config.model.data_preprocessor.size = (sample.height, sample.width)
    for value in walk(config.model):
        if value.get("type") == "SyncBN":
            value["type"] = "BN"
        if "num_classes" in value:
            value["num_classes"] = len(header.classes)
    flips = [{"type": "RandomFlip", "prob": 0.5, "direction": direction} for direction in task.flips]
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}]
    for split, loader, changes in (
        ("train", config.train_dataloader, flips),
        ("val", config.val_dataloader, []),
    ):
        loader.num_workers, loader.persistent_workers = task.workers, task.workers > 0
        loader.dataset = {
            "type": "BaseSegDataset",
            "data_root": str(prepared),
            "data_prefix": {"img_path": f"{split}/images", "seg_map_path": f"{split}/masks"},
            "img_suffix": ".png",
            "metainfo": {"classes": header.names(), "palette": [list(each.color) for each in header.classes]},
            "pipeline": [*pipeline, *changes, {"type": "PackSegInputs"}],
        }
    config.train_dataloader.batch_size = task.batch
    config.test_dataloader = config.val_dataloader
    config.work_dir, config.randomness = str(work), {"seed": seed}
    return config


def end_after(config: Any, iterations: int) -> None:
    """End training and schedule after this many iterations, without validation and checkpoints."""
    config.train_cfg.max_iters, config.train_cfg.val_interval = iterations, iterations + 1
    config.param_scheduler[0].end = iterations
    config.default_hooks.checkpoint = None


def stock_runner(config: Any, threads: int, changes: Collection[str] = ()) -> Any:
    """MMEngine's Runner for a config, with some of `CHANGES`."""
    import torch
    from mmengine.runner import Runner
    from mmseg.utils import register_all_modules

    register_all_modules()
    torch.set_num_threads(threads)
    if BF16 in changes:
        config.optim_wrapper.type = autocast_wrapper()
    if FUSED in changes:
        config.optim_wrapper.optimizer.fused = True
    runner = Runner.from_cfg(config)
    if LAYOUT in changes:
        runner.model.to(memory_format=torch.channels_last)
        runner.model.data_preprocessor.register_forward_hook(in_channels_last)
    return runner


def in_channels_last(module: Any, given: Any, result: dict[str, Any]) -> dict[str, Any]:
    """A preprocessor's batch, with its images in channels_last."""
    import torch

    return result | {"inputs": result["inputs"].contiguous(memory_format=torch.channels_last)}


def autocast_wrapper() -> str:
    """The name of an OptimWrapper whose forward pass runs in bf16, which MMEngine's own refuses on the CPU."""
    import torch
    from mmengine.optim import OptimWrapper
    from mmengine.registry import OPTIM_WRAPPERS

    class Bf16OptimWrapper(OptimWrapper):  # type: ignore[misc]
        @contextlib.contextmanager
        def optim_context(self, model: Any) -> Iterator[None]:
            device = next(model.parameters()).device.type
            with super().optim_context(model), torch.autocast(device, torch.bfloat16):
                yield

    OPTIM_WRAPPERS.register_module(module=Bf16OptimWrapper, force=True)
    return "Bf16OptimWrapper"


def train_stock(line: Connection, task: Task, work: Path, changes: Collection[str]) -> None:
    """Stock training with some of `CHANGES`, paused at a line."""
    hold_loops(line)
    runner = stock_runner(stock_config(task, work), task.threads, changes)
    if NO_ACCURACY in changes:
        import torch
        from mmseg.models.decode_heads import decode_head

        unread = torch.zeros(1)
        decode_head.accuracy = lambda *_, **__: unread
    runner.train()
