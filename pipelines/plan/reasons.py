"""Why DVC will not skip a stage, in words: which of its command, params, inputs and outputs differ from dvc.lock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipelines.dvc.lock import role_of, unlike
from pipelines.dvc.revision import flatten
from pipelines.plan.expected import Expected
from pipelines.plan.listings import changes, path_of
from pipelines.words import listed

WIDEST = 30  # characters of a param's value
BY_HAND = "output changed by hand"


def of_inputs(stage: Any, deps: Sequence[Any], expected: Expected) -> list[str]:
    """What changed in a stage's command, its params, and those inputs that are known in advance."""
    if stage.addressing not in expected.ran:
        return ["never run: it is not in dvc.lock"]
    found = ["dvc.yaml lets it run every time"] if stage.always_changed or stage.is_callback else []
    found += ["its command was changed in dvc.yaml"] if stage.cmd_changed else []
    if params := [line for dep in stage.params for line in _params(dep)]:
        found.append(f"params changed: {listed(params)}")
    changed: dict[str, list[str]] = {}
    for dep in deps:
        if not is_same(dep, expected):
            changed.setdefault(_kind(dep), []).extend(_files(dep, expected))
    return found + [f"{kind} changed: {listed(files)}" for kind, files in changed.items()]


def is_same(dep: Any, expected: Expected) -> bool:
    """Whether an input will be what the stage read last time."""
    return bool(dep.hash_info) and expected.hash_of(dep) == dep.hash_info.value


def _params(dep: Any) -> list[str]:
    """`train.iterations 900 -> 1800`, for each value that differs from dvc.lock."""
    before, now = flatten(dep.hash_info.value or {}), flatten(dep.read_params())
    where = "" if str(dep) == dep.DEFAULT_PARAMS_FILE else f"{dep}: "
    return [f"{where}{key} {_change(before, now, key)}" for key in unlike(before, now)]


def _change(before: dict[str, Any], now: dict[str, Any], key: str) -> str:
    """`900 -> 1800`; of a list of names or numbers, those that came and went."""
    old, new = before.get(key), now.get(key)
    if isinstance(old, list) and isinstance(new, list) and not any(isinstance(v, dict | list) for v in [*old, *new]):
        parts = [f"+ {value}" for value in new if value not in old] + [
            f"- {value}" for value in old if value not in new
        ]
        return listed(parts) or "in another order"
    return f"{_value(before, key)} -> {_value(now, key)}"


def _value(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return "nothing"
    text = json.dumps(values[key], ensure_ascii=False, default=str).strip('"')
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 4]} ..."


def _kind(dep: Any) -> str:
    return "code" if role_of(path_of(dep), False) == "code" else "input"


def _files(part: Any, expected: Expected) -> list[str]:
    """The files of an input or output that differ from dvc.lock; just its path, if its contents are no longer known."""
    path = path_of(part)
    if not part.hash_info:
        return [f"{path} (not read before)"]
    before = expected.recorded.listing(path, part.hash_info) if part.is_in_repo else None
    return [path] if before is None else changes(before, expected.listing(path)) or [path]


def of_outputs(stage: Any, expected: Expected) -> list[str]:
    """What is wrong in the working tree with the outputs of a stage's last run."""
    words: dict[str, list[str]] = {}
    for out in stage.outs if stage.addressing in expected.ran else ():
        if problem := _problem(out):
            paths = _files(out, expected) if problem == BY_HAND else [path_of(out)]
            words.setdefault(problem, []).extend(paths)
    return [f"{problem}: {listed(paths)}" for problem, paths in words.items()]


def _problem(out: Any) -> str:
    lost = out.use_cache and out.changed_cache()
    if not out.hash_info:
        return "output not in dvc.lock"
    if not out.exists:
        return "output missing, and not in DVC's cache" if lost else "output missing"
    if out.changed_checksum():
        return BY_HAND
    return "output present, but not in DVC's cache" if lost else ""


def of_waiting(deps: Sequence[Any], expected: Expected) -> str:
    """Which stages' outputs decide whether this one runs."""
    writers = list(dict.fromkeys(name for dep in deps for name in expected.writers(dep)))
    if len(deps) == 1 and len(writers) == 1:
        return f"if {writers[0]} changes {path_of(deps[0])}"
    return f"if {_joined(writers, 'or')} changes its inputs"


def of_stopped(stages: Sequence[str]) -> str:
    """Which stages would stop before this one is reached."""
    return f"for {_joined(stages, 'and')}, which {'stop' if stages[1:] else 'stops'}"


def _joined(stages: Sequence[str], word: str) -> str:
    """The first two, and how many more there are."""
    names = [*stages[:2], *([f"{len(stages) - 2} more"] if len(stages) > 2 else [])]
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
