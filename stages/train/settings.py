"""The settings of MMEngine's Runner."""

from __future__ import annotations

from typing import Any

from pixelproof.nn.runtime import Compute
from stages.train.params import Train
from stages.train.plan import Plan


def engine_settings(train: Train, compute: Compute, plan: Plan, device: str, work: str, world: int) -> dict[str, Any]:
    """The Runner's settings: its loop, its optimizer, and none of the hooks that write files."""
    off = ("runtime_info", "timer", "sampler_seed", "logger", "checkpoint", "param_scheduler")
    ema = {"type": "EMAHook", "ema_type": "ExponentialMovingAverage", "momentum": 1 - train.ema}
    return {
        "work_dir": work,
        "train_cfg": {"type": "ProofLoop", "max_iters": plan.iterations, "fast_forward_on_resume": True},
        "optim_wrapper": {
            "type": "ScaledOptimWrapper" if compute.precision == "fp16" else "ProofOptimWrapper",
            "compute": compute,
            "device": device,
            "deterministic": train.deterministic,
            "accumulative_counts": train.accumulate,
            "optimizer": optimizer_settings(train),
            "clip_grad": {"max_norm": train.optimizer.clip} if train.optimizer.clip else None,
            **parts_settings(train.optimizer.lr_factors),
        },
        "default_hooks": dict.fromkeys(off),
        "custom_hooks": [ema] if train.ema else [],
        "launcher": "pytorch" if world > 1 else "none",
        "log_level": "ERROR",
        "default_scope": "mmengine",
    }


def optimizer_settings(train: Train) -> dict[str, Any]:
    """The optimizer by its name, fused: one pass over the weights instead of one for each operation."""
    common = {"lr": train.optimizer.lr, "weight_decay": train.optimizer.weight_decay, "fused": True}
    return (
        {"type": "AdamW", **common} if train.optimizer.name == "adamw" else {"type": "SGD", "momentum": 0.9, **common}
    )


def parts_settings(factors: dict[str, float]) -> dict[str, Any]:
    """How the optimizer's groups are made if parts of the network have their own learning rates."""
    return {"constructor": "PartsConstructor", "paramwise_cfg": {"lr_factors": factors}} if factors else {}
