"""`relock`: updates dvc.lock after changes to comments, formatting or docstrings only, without running anything.

A stage's outputs are still valid if the code it reads has the same syntax trees as when it ran. The reference is the
newest commit whose dvc.lock has the same run of the stage, together with the code that this run read. No data is
needed: the hashes of outputs stay as they are.

A docstring counts as code in a module that names `__doc__`. A stage with a module that may read those of others
(`inspect.getdoc`, `other.__doc__`) is refused, by file and line: whose they read cannot be told without running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from pipelines.dvc.check import check, is_written, readers_of, stale_things
from pipelines.dvc.content import Files, files_in, hash_of
from pipelines.dvc.docstrings import reader_in
from pipelines.dvc.graph import open_repo
from pipelines.dvc.lock import LOCK, DvcLock, Record, read_lock
from pipelines.dvc.revision import WORKSPACE, Revision, changed_files, git, open_revision
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_bytes
from pixelproof.core.syntax import tokens

UNKNOWN = "no commit has both its last run and the code that this run read"


@dataclass(frozen=True)
class Base:
    """The commit that holds the code a stage ran with, and that code."""

    commit: str
    files: Files


def relock() -> None:
    """Write the hashes of code to dvc.lock and the run cache, print a line for each stage, and check the result.

    Raises:
        StateError: more than comments, formatting and docstrings changed. It is printed; dvc.lock is untouched.
    """
    with open_repo() as repo, repo.lock:
        require_commit()
        stages = list(repo.index.stages)
        changed = {stage.name: deps for stage in stages if (deps := changed_code(stage, stages))}
        refuse(stale_after_saving(stages, changed))
        refuse(unlike(repo, stages, changed))
        before = Path(LOCK).read_bytes()
        save(repo, [stage for stage in stages if stage.name in changed])
    for name, deps in changed.items():
        print(f"relocked {name}: {', '.join(sorted(dep.def_path for dep in deps))}")
    if not changed:
        print("nothing to relock")
    if not check():
        write_bytes(Path(LOCK), before)
        raise StateError(LOCK, "relocking does not fix the above, so it is left unchanged", "fix that first")


def require_commit() -> None:
    """The code of the last run is looked for in commits."""
    try:
        git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except CalledProcessError:
        fix = "commit the code and dvc.lock of a run first; what changes after it can be relocked"
        raise StateError("relock", "git has no commit here", fix) from None


def refuse(lines: list[str]) -> None:
    """Stop if there is any change that needs a run."""
    if lines:
        print(*lines, sep="\n")
        if any(UNKNOWN in line for line in lines) and changed_files(LOCK):
            found = "left unchanged: it is not committed, so the code of its last run is in no commit"
            fix = f"commit it with that code, without the later edits, or undo it (`git restore {LOCK}`)"
            raise StateError(LOCK, found, fix)
        fix = "run `dvc repro`, or undo the changes above"
        if not Path(LOCK).exists():
            raise StateError(LOCK, "no such file", "run `dvc repro`, or restore it from git")
        raise StateError(LOCK, "left unchanged: more than comments, formatting and docstrings changed", fix)


def changed_code(stage: Any, stages: list[Any]) -> list[Any]:
    """The git-tracked deps of a stage that its last run read and whose content has changed."""
    if stage.is_data_source:
        return []
    code = [dep for dep in code_of(stage, stages) if dep.hash_info and dep.exists]
    return [dep for dep in code if dep.status()]


def code_of(stage: Any, stages: list[Any]) -> list[Any]:
    """The deps of a stage that are neither params nor written by a stage."""
    from dvc.dependency import ParamsDependency

    outputs = {out.fs_path: out for other in stages for out in other.outs}
    return [dep for dep in stage.deps if not isinstance(dep, ParamsDependency) and not is_written(dep, outputs)]


def stale_after_saving(stages: list[Any], changed: Mapping[str, list[Any]]) -> list[str]:
    """What is stale apart from this code: the stages in memory take its new hashes."""
    for dep in (dep for deps in changed.values() for dep in deps):
        dep.save()
    return [f"{thing}{readers_of(names)}" for thing, names in stale_things(stages).items()]


def unlike(repo: Any, stages: list[Any], changed: Mapping[str, list[Any]]) -> list[str]:
    """A line for each file that is not the code the stages ran with, and for each stage without a reference."""
    code = {stage.name: {dep.def_path for dep in code_of(stage, stages)} for stage in stages if stage.name in changed}
    now = {path: files_in(repo, path) for path in set[str]().union(*code.values())}
    bases = find_bases(repo, code)
    lines: dict[str, list[str]] = {}
    for name, paths in code.items():
        if name not in bases:
            lines[f"{name}: {UNKNOWN}"] = []
            continue
        files = {file: content for path in paths for file, content in now[path].items()}
        for line in [*not_plain(Path(repo.root_dir), files), *differences(bases[name], files)]:
            lines.setdefault(line, []).append(name)
    return [f"{line}{readers_of(names)}" for line, names in lines.items()]


def not_plain(root: Path, files: Files) -> list[str]:
    """A line for each file that is a link, or that may read the docstrings of others."""
    lines = []
    for path, content in files.items():
        above = [root / path, *(root / parent for parent in Path(path).parents)]
        if any(place.is_symlink() for place in above[:-1]):
            lines.append(f"{path}: a link, or in a linked folder, whose content git does not keep")
        elif path.endswith(".py") and (line := reader_in(content, path)):
            lines.append(
                f"{path}:{line}: may read docstrings of other modules, or source, so an edit of these may count"
            )
    return sorted(lines)


def find_bases(repo: Any, code: Mapping[str, set[str]]) -> dict[str, Base]:
    """For each stage, the newest ancestor of HEAD that has its run in dvc.lock and the code of that run."""
    now, found = read_lock(open_revision(WORKSPACE)), dict[str, Base]()
    locks: dict[str | None, DvcLock] = {}
    paths = set[str]().union(*code.values())
    for commit in git("rev-list", "--first-parent", "HEAD", "--", LOCK, *sorted(paths)).decode().split():
        side = Revision(commit[:10], commit)
        text = side.read(LOCK)
        if text not in locks:
            locks[text] = read_lock(side)
        runs = {name: run for name, run in locks[text].stages.items() if name in code.keys() - found.keys()}
        runs = {name: run for name, run in runs.items() if same_run(run, now.stages[name], code[name])}
        if runs:
            with repo.switch(commit):
                files = {path: files_in(repo, path) for path in paths}
            hashes = {path: hash_of(path, files[path]) for path in paths}
            for name, run in runs.items():
                if all(run.deps.get(path) == hashes[path] for path in code[name]):
                    found[name] = Base(commit, {file: c for path in code[name] for file, c in files[path].items()})
        if len(found) == len(code):
            break
    return found


def same_run(one: Record, other: Record, code: set[str]) -> bool:
    """Whether two records are of the same run, ignoring the hashes of code, which comments may have changed."""
    apart = [
        replace(side, deps={path: h for path, h in side.deps.items() if path not in code}) for side in (one, other)
    ]
    return apart[0] == apart[1]


def differences(base: Base, now: Files) -> list[str]:
    """A line for each file whose code differs."""
    at, lines = base.commit[:10], []
    for path in sorted(base.files.keys() | now.keys()):
        if path not in now:
            lines.append(f"{path}: deleted since {at}")
        elif path not in base.files:
            lines.append(f"{path}: new since {at}")
        elif base.files[path] == now[path]:
            continue
        elif not path.endswith(".py"):
            lines.append(f"{path}: changed since {at}, and not Python, where comments can be told from code")
        elif line := first_difference(base.files[path], now[path], path, at):
            lines.append(f"{path}:{line}: code differs from {at}")
    return lines


def first_difference(before: bytes, now: bytes, path: str, commit: str) -> int | None:
    """The line of the current file where its code first differs; None if it is the same."""
    line = 1
    for old, new in zip_longest(tokens(before, f"{commit}:{path}"), tokens(now, path)):
        line = new[1] if new else line
        if old is None or new is None or old[0] != new[0]:
            return line
    return None


def save(repo: Any, stages: list[Any]) -> None:
    """Write what DVC writes after a run: run-cache entries for the stages that may have one, then dvc.lock."""
    for stage in stages:
        for dep in stage.deps:
            dep.get_hash = partial(getattr, dep, "hash_info")  # DVC would look at the data, which may not be here
        if all(out.use_cache for out in stage.outs):
            repo.stage_cache.save(stage)
    for dvcfile in {stage.dvcfile.path: stage.dvcfile for stage in stages}.values():
        dvcfile.dump_stages([s for s in stages if s.dvcfile.path == dvcfile.path], update_pipeline=False)
