"""`check`: is dvc.lock, and with it every committed metric, of this tree? Needs git's files only, no data."""

from __future__ import annotations

from typing import Any

from pipelines.graph import open_repo


def check() -> bool:
    """Print one line for each stale thing; True when there is none."""
    with open_repo() as repo:
        stale = stale_things(repo.index.stages)
    for thing, stages in stale.items():
        print(f"{thing}{_readers(stages)}")
    if stale:
        print(f"dvc.lock is stale: {len(stale)} thing(s) above; run `dvc repro`, commit dvc.lock and metrics/")
    else:
        print("dvc.lock is of this tree: code, params and commands are those of the last run")
    return not stale


def stale_things(stages: list[Any]) -> dict[str, list[str]]:
    """What differs between dvc.lock and the tree; for what stages read, also which stages."""
    stale: dict[str, list[str]] = {}
    outputs = {out.fs_path: out for stage in stages for out in stage.outs}
    for stage in stages:
        if stage.is_data_source:
            continue
        if stage.name not in stage.dvcfile.lockfile_contents.get("stages", {}):
            stale[f"{stage.addressing}: not in dvc.lock"] = []
            continue
        for thing in _stale_in(stage):
            stale[thing] = []
        for thing in (thing for dep in stage.deps for thing in _stale_dep(dep, outputs)):
            stale.setdefault(thing, []).append(stage.addressing)
    for thing, names in _two_versions(stages, outputs).items():
        stale.setdefault(thing, []).extend(names)
    return stale


def _stale_in(stage: Any) -> list[str]:
    things = [f"{stage.addressing}: its command was changed since the run"] if stage.cmd_changed else []
    kept_by_git = [out for out in stage.outs if not out.use_cache]
    changed = {path: state for out in kept_by_git for path, state in out.status().items()}
    return things + [f"{path}: {state} since {stage.addressing} wrote it" for path, state in changed.items()]


def _stale_dep(dep: Any, outputs: dict[str, Any]) -> list[str]:
    """A param or a file of git's is compared with the tree; another stage's output with dvc.lock, data being absent."""
    from dvc.dependency import ParamsDependency

    if isinstance(dep, ParamsDependency):
        return [
            f"{path}: {key}: {state} since the run"
            for path, keys in dep.status().items()
            for key, state in (keys.items() if isinstance(keys, dict) else [("the file", keys)])
        ]
    if dep.fs_path in outputs:
        same = dep.hash_info == outputs[dep.fs_path].hash_info
        return [] if same else [f"{dep}: dvc.lock records another version than its stage wrote"]
    if _inside_outputs(dep.fs_path, outputs):
        return []  # a part of an output, or a folder of outputs: dvc.lock alone cannot tell
    return [f"{path}: {state} since the run" for path, state in dep.status().items()]


def _inside_outputs(path: str, outputs: dict[str, Any]) -> bool:
    return any(path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in outputs)


def _two_versions(stages: list[Any], outputs: dict[str, Any]) -> dict[str, list[str]]:
    """Parts of outputs (one architecture's config) that two stages read in different versions."""
    readers: dict[str, dict[str, list[str]]] = {}
    for stage in stages:
        for dep in stage.deps:
            if dep.fs_path not in outputs and _inside_outputs(dep.fs_path, outputs) and dep.hash_info:
                readers.setdefault(str(dep), {}).setdefault(dep.hash_info.value, []).append(stage.addressing)
    return {
        f"{path}: dvc.lock records different versions of it": [name for names in versions.values() for name in names]
        for path, versions in readers.items()
        if len(versions) > 1
    }


def _readers(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f" (read by {', '.join(names[:3])}{more})" if names else ""
