"""Tries out networks with overrides: parts that do not match would otherwise fail deep inside a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pixelproof.core.errors import DataError, ParamsError
from pixelproof.nn.overrides import overridden

CLASSES, IMAGES, SIZE = 2, 2, 128


Changes = Mapping[str, Any]


def try_overrides(config: dict[str, Any], trained: Changes | None, evaluated: Changes | None) -> None:
    """Run a config's network as it will be trained and as it will be evaluated, if there are overrides for either."""
    name = config["architecture"]
    if trained:
        weights_of(config, f"configure.overrides.{name}")
    if evaluated:
        key = f"evaluate.overrides.{name}"
        changed = config | {"model": overridden(config["model"], evaluated, key)}
        if weights_of(changed, key) != weights_of(config, f"configure.overrides.{name}"):
            raise ParamsError(key, "overrides that need other weights", "move them to configure.overrides")


def weights_of(config: dict[str, Any], key: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's weights, after one run in training mode."""
    import torch

    from pixelproof.nn.build import build_model
    from pixelproof.nn.runtime import Compute

    model = build_model(config, CLASSES, Compute(device="cpu", precision="fp32", channels_last=False, threads=1))
    pixels = torch.zeros(IMAGES, 3, SIZE, SIZE, dtype=torch.uint8)
    batch = model.data_preprocessor({"inputs": pixels, "masks": pixels[:, 0]}, True)
    try:
        with torch.no_grad():
            model.train()(**batch, mode="tensor" if hasattr(model, "fit") else "loss")
    except DataError:
        pass  # it needs images of another size, and says so itself
    except Exception as error:  # a layer may raise anything: a config is code
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise ParamsError(key, found, "expected overrides that match each other and the rest of the network") from error
    return {weight: tuple(tensor.shape) for weight, tensor in model.state_dict().items()}
