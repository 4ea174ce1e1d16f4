"""Resolves an architecture's file, its bases and the params into plain data: no paths, no dates.

MMEngine reads the file; `_base_ = 'mmseg::...'` refers to MMSegmentation's own zoo. `small` in a file holds what
`train.scale: small` changes; without it, both scales are the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixelproof.core import syntax
from pixelproof.core.errors import DataError, unknown_name
from pixelproof.nn.overrides import overridden

NETWORKS = Path(__file__).parents[2] / "pixelproof/networks"
ARCHITECTURES = NETWORKS / "architectures"

# ImageNet's mean and standard deviation, RGB: for all encoders whose architecture does not state others.
NORMALIZE = {"type": "Normalize", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}


def names() -> list[str]:
    """The available architectures: the files of the folder."""
    return sorted(path.stem for path in ARCHITECTURES.glob("*.py"))


def resolve(name: str, scale: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The config of an architecture at a scale, as plain data with the digests of the modules it names.

    Overrides are applied last; their keys are those in data/configs/<name>.json.
    """
    if name not in names():
        raise unknown_name("architectures", name, names())
    config = read(ARCHITECTURES / f"{name}.py")
    if scale == "small" and "small" in config:
        config.merge_from_dict({"model": config.small.to_dict()})
    if "model" not in config:
        raise DataError(f"architectures/{name}.py", "a `model`", "none", "see the other files of the folder")
    model = plain(config.model.to_dict())
    modules = [*config.get("modules", []), *adapt(model)]
    return {
        "architecture": name,
        "scale": scale,
        "model": overridden(model, overrides or {}, f"configure.overrides.{name}"),
        "modules": modules,
        "digests": {module: digest(name, module) for module in modules},
    } | ({"task": config.task} if "task" in config else {})


def read(path: Path) -> Any:
    """Read an MMEngine config. A base in `mmseg::` must not make it look for a package to install."""
    import mmengine.config.config
    import mmengine.config.utils
    from mmengine.config import Config

    mmengine.config.utils.MODULE2PACKAGE["mmseg"] = "mmseg"
    try:
        # Reading it needs none of its imports; building it imports only `modules`.
        return Config.fromfile(os.fspath(path), lazy_import=False, import_custom_modules=False)
    except Exception as error:  # any mistake in the file: a config is code
        raise DataError(
            f"architectures/{path.name}", "an MMEngine config", f"{type(error).__name__}: {error}", "fix the file"
        ) from error


def adapt(model: dict[str, Any]) -> list[str]:
    """Change what differs from the zoo: single-process batch norm, our normalisation, no downloads, an open number of
    classes, and whole images instead of windows of the crop size. Return the modules that this needs."""
    modules = []
    if model.get("data_preprocessor", {}).get("type") != NORMALIZE["type"]:  # the zoo's, or none
        model["data_preprocessor"] = dict(NORMALIZE)
    if test_cfg := model.get("test_cfg"):
        kept = {key: value for key, value in test_cfg.items() if key not in ("crop_size", "stride")}
        model["test_cfg"] = kept | {"mode": "whole"}
    for value in walk(model):
        value.pop("pretrained", None)
        value.pop("sampler", None)  # of hard pixels: `train.loss` decides which pixels a loss counts
        if value.get("type") == "SyncBN":
            value["type"] = "BN"  # a run on several devices turns it back into SyncBN
        if value.get("type") == "PIDHead":
            value["type"] = "BoundaryPIDHead"  # our masks lack the boundaries that PIDHead needs
            modules.append("pidnet")
        if "init_cfg" in value:
            value["init_cfg"] = unfetched(value["init_cfg"])
        if "num_classes" in value:
            value["num_classes"] = None
        if "class_weight" in value:
            value["class_weight"] = None  # for another dataset's classes; ours come from `train.balance`
    return modules


def unfetched(init: Any) -> Any:
    """The initialisation rules, without those that download weights."""
    if isinstance(init, list):
        return [rule for rule in init if unfetched(rule)] or None
    return None if isinstance(init, dict) and init.get("type") == "Pretrained" else init


def walk(value: Any) -> list[dict[str, Any]]:
    """Every dict in a nested value, the outermost first."""
    if isinstance(value, dict):
        return [value, *(inner for v in value.values() for inner in walk(v))]
    return [inner for v in value for inner in walk(v)] if isinstance(value, list) else []


def plain(value: Any) -> Any:
    """The same value in JSON's types: tuples become lists."""
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def digest(name: str, module: str) -> str:
    """The digest of the code of a module that an architecture names; a change in it reruns the training."""
    path = NETWORKS / f"{module}.py"
    if not path.is_file():
        raise unknown_name(f"architectures/{name}.py: modules", module, (p.stem for p in NETWORKS.glob("*.py")))
    return syntax.digest(path)
