"""Loads and checks params.yaml for one stage, and hands it only what dvc.yaml declares for that stage.

It knows no section itself: each stage's `params.py` holds a model called `Params` whose fields are the top-level keys
that the stage uses (`seed`, its own section, ...). `python -m stages.params` prints all of them with their help.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from stages.errors import ParamsError, StateError, nearest, run_main


class Section(BaseModel):
    """The base of every section: unknown keys and wrong types are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


P = TypeVar("P", bound=Section)


def load(stage: str, model: type[P], root: Path | None = None) -> P:
    """The params of one stage: what dvc.yaml declares for it, checked by its own model."""
    root = root or Path.cwd()
    graph, values = read_yaml(root / "dvc.yaml"), read_yaml(root / "params.yaml")
    check_known(values, graph)
    declared = declared_keys(graph, stage)
    tops = {key.split(".")[0] for key in declared}
    for field in model.model_fields:
        if field in values and field not in tops:
            found = f"stage {stage!r} reads the param {field!r} but does not declare it"
            raise StateError("dvc.yaml", found, f"add {field!r} to its `params:`")
    return check(model, handed(values, [key for key in declared if key.split(".")[0] in model.model_fields]))


def handed(values: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """The part of params.yaml that the keys name: whole sections (`prepare`) or single knobs (`train.scale`)."""
    part: dict[str, Any] = {}
    for key in keys:
        *path, last = key.split(".")
        here = part
        for name in path:
            here = here.setdefault(name, {})
        here[last] = pick(values, key)
    return part


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise StateError(str(path), "no such file", "run from the folder of the clone") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StateError(path.name, f"not YAML ({' '.join(str(error).split())})", "mend the line it names") from None
    if not isinstance(content, dict):
        raise StateError(path.name, f"a {type(content).__name__} at the top level", "expected `key: value` lines")
    return content


def declared_keys(graph: dict[str, Any], stage: str) -> list[str]:
    """The params that dvc.yaml declares for a stage."""
    definition = graph.get("stages", {}).get(stage)
    if definition is None:
        raise StateError("dvc.yaml", f"no stage {stage!r}", f"stages: {', '.join(graph.get('stages', {}))}")
    return [key for key in definition.get("params", []) if isinstance(key, str)]


def pick(values: dict[str, Any], key: str) -> Any:
    """The value at a key path."""
    here: Any = values
    for part in key.split("."):
        if not isinstance(here, dict) or part not in here:
            raise ParamsError(
                key, "nothing", f"the key is missing{nearest(part, here if isinstance(here, dict) else ())}"
            )
        here = here[part]
    return here


def check_known(values: dict[str, Any], graph: dict[str, Any]) -> None:
    """Every key must be declared by some stage (whole sections or single knobs), or be pipelines' own section."""
    declared = {key for stage in graph.get("stages", {}) for key in declared_keys(graph, stage)}
    _check_level(values, [key.split(".") for key in declared | {"pipelines"}], "")


def _check_level(values: dict[str, Any], declared: list[list[str]], prefix: str) -> None:
    known = {path[0] for path in declared}
    for key, value in values.items():
        if key not in known:
            allowed = f"allowed: {', '.join(sorted(known))}{nearest(str(key), known)}"
            raise ParamsError(f"{prefix}{key}", "an unknown key", allowed)
        if [key] not in declared and isinstance(value, dict):
            _check_level(value, [path[1:] for path in declared if path[0] == key], f"{prefix}{key}.")


def check(model: type[P], values: dict[str, Any], prefix: str = "") -> P:
    """Validate values; the first thing wrong becomes a one-line error that names the key path."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = error.errors()
        raise _explain(model, details[0], len(details) - 1, prefix) from None


def _explain(model: type[BaseModel], detail: ErrorDetails, more: int, prefix: str) -> ParamsError:
    path = ".".join(str(part) for part in detail["loc"])
    kind, message = detail["type"], detail["msg"].removeprefix("Value error, ")
    rest = f" (and {more} more)" if more else ""
    if kind == "missing":
        return ParamsError(prefix + path, "nothing", f"the key is missing{rest}")
    if kind == "extra_forbidden":
        names = _fields_at(model, detail["loc"][:-1])
        near = nearest(str(detail["loc"][-1]), names)
        return ParamsError(prefix + path, "an unknown key", f"allowed: {', '.join(sorted(names))}{near}{rest}")
    found = f"{detail['input']!r} ({type(detail['input']).__name__})"
    near = nearest(str(detail["input"]), str(detail.get("ctx", {}).get("expected", "")).replace("'", " ").split())
    allowed = message[0].lower() + message[1:]
    return ParamsError(prefix + path, found, f"{allowed}{near}{rest}")


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The field names of the model that stands at a key path."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = current.model_fields[str(part)].annotation if str(part) in current.model_fields else None
        elif get_origin(current) in (list, tuple, dict):
            current = get_args(current)[-1]
        if get_origin(current) is not None and get_origin(current) not in (list, tuple, dict):  # unions, Annotated
            current = next((a for a in get_args(current) if isinstance(a, type) and issubclass(a, BaseModel)), current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


# --- the command: the whole tree with one line of help for each knob -------------------------------------------------


def all_models(root: Path) -> dict[str, type[Section]]:
    """`package -> Params` for every package that has a params.py."""
    folders = [*sorted(p.parent for p in (root / "stages").glob("*/params.py")), root / "pipelines"]
    names = [".".join(f.relative_to(root).parts) for f in folders if (f / "params.py").exists()]
    return {name: importlib.import_module(f"{name}.params").Params for name in names}


def describe(model: type[BaseModel], values: dict[str, Any], indent: int = 0) -> list[str]:
    """One line for each knob that has a value: `key: value  # help`; sections nest."""
    lines = []
    for name, field in model.model_fields.items():
        if name not in values:
            continue
        value, pad, inner = values[name], "  " * indent, field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(value, dict):
            knob, below = f"{pad}{name}:", describe(inner, value, indent + 1)
        else:
            shown = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
            knob, below = f"{pad}{name}: {shown}", []
        lines += [f"{knob:<44}  # {field.description}" if field.description else knob, *below]
    return lines


def main() -> None:
    """Check everything in params.yaml and print it with its help."""
    root = Path.cwd()
    values, graph = read_yaml(root / "params.yaml"), read_yaml(root / "dvc.yaml")
    check_known(values, graph)
    knobs: dict[str, list[str]] = {}
    for package, model in all_models(root).items():
        stage = package.removeprefix("stages.")
        keys = declared_keys(graph, stage) if stage in graph["stages"] else list(model.model_fields)
        part = handed(values, keys)
        check(model, part)
        for key in part:  # several stages may share a section: the fullest description of it is shown
            lines = describe(model, {key: part[key]})
            knobs[key] = max(lines, knobs.get(key, []), key=len)
    for key in values:
        print(*knobs[key], sep="\n")


if __name__ == "__main__":
    run_main(main)
