"""Load and validate params.yaml for one stage, which gets only the params that dvc.yaml declares for it.

No section is defined here: each stage's `params.py` has a model called `Params`, whose fields are the top-level keys
that the stage uses (`seed`, its own section, ...). `pixelproof params` prints all of them with their help.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pixelproof.core.errors import ParamsError, StateError, nearest
from pixelproof.core.explain import explain, options


class Section(BaseModel):
    """The base class of all sections: unknown keys and wrong types are errors, and values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


P = TypeVar("P", bound=Section)
MOVED = {  # keys of earlier releases, and what to write instead
    f"prepare.{side}": "prepare.shape: {{mode: stretch, width: {width}, height: {height}, overlap: 0}}"
    for side in ("width", "height")
}
DROPPED = ("size", "nfiles")  # by `_get_cache_hash` in dvc/stage/cache.py: DVC itself uses these keys for outputs


def load(stage: str, model: type[P], root: Path | None = None) -> P:
    """The params that dvc.yaml declares for a stage, validated by the stage's own model."""
    root = root or Path.cwd()
    graph, values = read_yaml(root / "dvc.yaml"), read_yaml(root / "params.yaml")
    check_known(values, graph)
    part = part_of(model, values, declared_keys(graph, stage))
    if key := _undeclared(model, values, part):
        found = f"stage {stage!r} reads the param {key!r} but does not declare it"
        raise StateError("dvc.yaml", found, f"add {key!r} to its `params:`")
    return check(model, part)


def _undeclared(at: Any, values: Any, part: Any, prefix: str = "") -> str | None:
    """A key that the model reads and params.yaml has, but that is not in the part that dvc.yaml declares."""
    if not isinstance(values, dict) or not isinstance(part, dict):
        return None
    for name, field in ((name, field) for option in options(at) for name, field in option.model_fields.items()):
        if name in values and name not in part:
            return prefix + name
        if key := _undeclared(field.annotation, values.get(name), part.get(name), f"{prefix}{name}."):
            return key
    return None


def part_of(model: type[Section], values: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """The part of params.yaml under those of some keys that a stage's model has.

    The report shows more sections than its model has, and most models lack `compute.portable`, which `run_stage` reads.
    """
    return part_under(values, [key for key in keys if key.split(".")[0] in model.model_fields])


def part_under(values: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """The part of params.yaml under some keys: whole sections (`prepare`) or single settings (`train.scale`)."""
    part: dict[str, Any] = {}
    for key in keys:
        *path, last = key.split(".")
        here = part
        for name in path:
            here = here.setdefault(name, {})
        here[last] = pick(values, key)
    return part


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping, as DVC does: with ruamel, as YAML 1.2, without duplicate keys."""
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        json.dumps(content, default=str, skipkeys=True)  # raises ValueError if a part contains itself
    except FileNotFoundError:
        raise StateError(path.name, "no such file", "run this in the folder of the clone") from None
    except OSError as error:
        raise StateError(path.name, f"cannot be read ({error.strerror})", "restore it from git") from None
    except RecursionError:
        raise StateError(path.name, "nested too deeply", "fix it there") from None
    except (YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = f"{error.problem}, line {mark.line + 1}" if mark else str(error)  # type: ignore[union-attr]
        raise StateError(path.name, f"not YAML ({' '.join(problem.split())})", "fix it there") from None
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
            # No guess at another name: code asks for this one, and the keys that are there have been read as they are.
            raise ParamsError(key, "no such key", "add it, or restore params.yaml from git")
        here = here[part]
    return here


def check_known(values: dict[str, Any], graph: dict[str, Any]) -> None:
    """Check that every key in params.yaml is known. Values are validated later, by the model of each stage.

    Args:
        values: the contents of params.yaml.
        graph: the contents of dvc.yaml.

    Raises:
        ParamsError: a key is one of an earlier release; or has a name that DVC's run cache drops; or it is outside the
            section `pipelines` and no stage declares it, neither by itself nor as part of a section.
    """
    check_moved(values)
    check_names(values)
    declared = {key for stage in graph.get("stages", {}) for key in declared_keys(graph, stage)}
    _check_level(values, [key.split(".") for key in declared | {"pipelines"}], "")


def check_moved(values: dict[str, Any]) -> None:
    """Refuse keys that an earlier release had.

    Args:
        values: the contents of params.yaml.

    Raises:
        ParamsError: there is one; it says what to write instead.

    >>> check_moved({"prepare": {"width": 128, "height": 64}})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pixelproof.core.errors.ParamsError: params.yaml: prepare.width: found a key of an earlier release; write ...
    """
    for key, instead in MOVED.items():
        section, name = key.split(".")
        if isinstance(values.get(section), dict) and name in values[section]:
            same = instead.format_map({"width": "...", "height": "...", **values[section]})
            raise ParamsError(key, "a key of an earlier release", f"write {same}, which does the same")


def check_names(values: Any, prefix: str = "") -> None:
    """Refuse keys, at any depth, that DVC's run cache ignores when it looks up the results of a stage.

    If such a key changed, DVC would restore the results of the old value, and record the new value in dvc.lock.

    Args:
        values: params.yaml, or a part of it.
        prefix: the key path of the part, ending in a dot.

    Raises:
        ParamsError: there is such a key. A dotted key such as `decode_head.size` is allowed: DVC does not drop it.

    >>> check_names({"scenes": [{"size": 64}]})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pixelproof.core.errors.ParamsError: params.yaml: scenes.0.size: found a key called 'size'; DVC's run cache ...
    """
    for key, value in enumerate(values) if isinstance(values, list) else values.items():
        if key in DROPPED:
            above = prefix.partition(".overrides.")[2].split(".")[1:-1]  # without the architecture
            joined = f", or join it with the key above it: `{above[-1]}.{key}: ...`" if above else ""
            reason = "DVC's run cache ignores keys of this name and would restore the result of the old value"
            raise ParamsError(f"{prefix}{key}", f"a key called {key!r}", f"{reason}; rename it{joined}")
        if isinstance(value, dict | list):
            check_names(value, f"{prefix}{key}.")


def _check_level(values: dict[str, Any], declared: list[list[str]], prefix: str) -> None:
    known = {path[0] for path in declared}
    for key, value in values.items():
        if key not in known:
            allowed = f"allowed: {', '.join(sorted(known))}{nearest(str(key), known)}"
            raise ParamsError(f"{prefix}{key}", "an unknown key", allowed)
        if [key] not in declared and isinstance(value, dict):
            _check_level(value, [path[1:] for path in declared if path[0] == key], f"{prefix}{key}.")


def check(model: type[P], values: dict[str, Any], prefix: str = "") -> P:
    """Validate values; the first error is raised as a one-line message that names the key path."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # A misspelt key gives two errors, an unknown key and a missing one: the unknown one is what the user wrote.
        details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        raise explain(model, details[0], len(details) - 1, prefix) from None
