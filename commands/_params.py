"""Checks params.yaml against the models of all stages, and lists each setting with its help."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from pixelproof.core.errors import ParamsError, StateError
from pixelproof.core.params import Section, check, check_known, declared_keys, part_of, read_yaml


def all_models(root: Path) -> dict[str, type[Section]]:
    """`package -> Params` for every package that has a params.py."""
    folders = [*sorted(p.parent for p in (root / "stages").glob("*/params.py")), root / "pipelines"]
    names = [".".join(f.relative_to(root).parts) for f in folders if (f / "params.py").exists()]
    return {name: importlib.import_module(f"{name}.params").Params for name in names}


def helps(at: Any, prefix: str = "") -> dict[str, str]:
    """`key path -> help` for every setting and section of a model."""
    found: dict[str, str] = {}
    for name, field in at.model_fields.items() if isinstance(at, type) and issubclass(at, BaseModel) else ():
        found |= {f"{prefix}{name}": field.description or "", **helps(field.annotation, f"{prefix}{name}.")}
    return found


def describe(values: dict[str, Any], help_of: dict[str, str], prefix: str = "") -> list[str]:
    """One line for each setting: `key: value  # help`; sections are indented."""
    lines = []
    for name, value in values.items():
        path, below, shown = f"{prefix}{name}", [], ""
        if isinstance(value, dict) and any(key.startswith(f"{path}.") for key in help_of):
            below = describe(value, help_of, f"{path}.")
        else:
            shown = " " + yaml.safe_dump(value, default_flow_style=True, width=1 << 20).removesuffix("...\n").strip()
        knob = "  " * prefix.count(".") + f"{name}:{shown}"
        lines += [f"{knob:<44}  # {help_of[path]}" if help_of.get(path) else knob, *below]
    return lines


def checked(root: Path, values: dict[str, Any] | None = None) -> list[str]:
    """Check all of params.yaml, or these values in its place, and return its lines, each with its help."""
    values = read_yaml(root / "params.yaml") if values is None else values
    graph = read_yaml(root / "dvc.yaml")
    check_known(values, graph)
    help_of: dict[str, str] = {}
    for package, model in all_models(root).items():
        stage = package.removeprefix("stages.")
        keys = declared_keys(graph, stage) if stage in graph["stages"] else list(model.model_fields)
        check(model, part_of(model, values, keys))
        help_of |= {key: text for key, text in helps(model).items() if text or key not in help_of}
    exports = (values.get("cvat") or {}).get("exports")  # a graph may have no stage for it
    own = ((values.get("download") or {}).get("folder") or {}).get("path")
    for key, folder in (("cvat.exports", exports), ("download.folder.path", own)):
        if folder:
            check_apart(root, key, str(folder), graph)
    if exports:
        check_exports(root, str(exports))
    return describe(values, help_of)


def check_exports(root: Path, exports: str) -> None:
    """Require the annotations that the stage `cvat` depends on: without them DVC runs nothing at all."""
    if (root / exports).exists():
        return
    if (root / f"{exports}.dvc").exists():
        raise StateError(exports, "not here yet, only its .dvc file", f"run `bin/python -m dvc pull {exports}`")
    raise ParamsError("cvat.exports", repr(exports), "expected a folder that exists; `bin/pixelproof init` makes one")


def check_apart(root: Path, key: str, folder: str, graph: dict[str, Any]) -> None:
    """Require that no stage writes into the user's folder, or around it: DVC would then run nothing at all."""
    named = Path(os.path.normpath(root / folder)).parts
    for stage, definition in graph["stages"].items():
        for output in outputs_of(definition):
            written = (*root.parts, *Path(output.strip("/")).parts)
            pairs = zip(named, written, strict=False)  # up to the end of the shorter: one is in the other, or is it
            if all(mine == theirs or "${item." in theirs for mine, theirs in pairs):
                allowed = f"the stage {stage} writes {output}; expected a folder apart from what stages write"
                raise ParamsError(key, repr(folder), allowed)


def outputs_of(definition: dict[str, Any]) -> list[str]:
    """The outputs of a stage in dvc.yaml, each either a path or `path: options`."""
    listed = [out for kind in ("outs", "metrics", "plots") for out in definition.get(kind) or []]
    return [path for out in listed for path in (out if isinstance(out, dict) else [str(out)])]
