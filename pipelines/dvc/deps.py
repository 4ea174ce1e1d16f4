"""`deps`: the project's files that each stage imports, against those that dvc.yaml lists for it.

What a stage imports is read from the code, function-level imports included, so nothing has to be run. An import by a
computed name (`import_module(f"pixelproof.sources.{name}")`) stands for any module of that package: which of them a
run loads is known only to the run, and tests/test_dependencies.py watches one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.dvc.graph import open_repo
from pixelproof.core.errors import StateError

PACKAGES = ("pixelproof", "stages", "pipelines")


@dataclass(frozen=True)
class Difference:
    """What a stage imports and dvc.yaml does not list for it, and what it lists and the stage does not import."""

    lacks: tuple[str, ...]
    unused: tuple[str, ...]


def deps() -> bool:
    """Print what each stage's `deps` lack or hold too much; True when there is nothing."""
    with open_repo() as repo:
        found = differences(Path.cwd(), repo.index.stages)
    for name, difference in found.items():
        for what, paths in (
            ("the deps in dvc.yaml lack what it imports", difference.lacks),
            ("the deps in dvc.yaml hold what it does not import", difference.unused),
        ):
            if paths:
                print(f"{name}: {what}:", *(f"      - {path}" for path in paths), sep="\n")
    if not found:
        print("dvc.yaml lists what the stages import")
    return not found


def differences(root: Path, stages: Iterable[Any]) -> dict[str, Difference]:
    """The stages whose listed code is not the code they import; a matrix stage once, as its items share their code."""
    found = {}
    every = {path.relative_to(root).as_posix() for package in PACKAGES for path in (root / package).rglob("*.py")}
    for name, stage in {stage.name.split("@")[0]: stage for stage in stages if stage.cmd}.items():
        listed = listed_code(root, stage)
        imported = closure(root, entry(stage.cmd), listed)
        importable = closure(root, entry(stage.cmd), every)  # another dataset's source may need what this one does not
        difference = Difference(tuple(sorted(imported - listed)), tuple(sorted(listed - importable)))
        if difference.lacks or difference.unused:
            found[name] = difference
    return found


def listed_code(root: Path, stage: Any) -> set[str]:
    """The Python files of the project that stand in a stage's `deps`, one by one."""
    return {dep.def_path for dep in stage.deps if dep.def_path.endswith(".py") and (root / dep.def_path).is_file()}


def entry(command: str) -> str:
    """The module that a stage's command runs."""
    if not (match := re.search(r"-m (stages\.\w+)", command)):
        raise StateError("dvc.yaml", f"the command {command!r}", "expected `bin/python -m stages.<name> ...`")
    return f"{match[1]}.__main__"


def closure(root: Path, module: str, loadable: Set[str]) -> set[str]:
    """The project's files that a module imports, directly or not; `loadable` are those a computed import may reach."""
    waiting, seen = files_of(root, module), set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        tree = ast.parse((root / path).read_text())
        for name in imported_names(tree, Path(path).parent.parts):
            waiting |= files_of(root, name)
        for prefix in computed_prefixes(tree):
            waiting |= {path for path in loadable if path.startswith(prefix)}
        waiting -= seen
    return seen


def imported_names(tree: ast.AST, package: Sequence[str]) -> Iterator[str]:
    """Dotted names that a module imports anywhere in it; for `from a import b` both `a` and `a.b`, maybe a module.

    A text that is the name of a module counts too: `import_module("stages.a")`, or a command of a process it starts.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            yield node.value


def files_of(root: Path, name: str) -> set[str]:
    """The project's files that importing a dotted name executes: the packages on the way, and the module itself."""
    parts = name.split(".")
    if parts[0] not in PACKAGES or not all(part.isidentifier() for part in parts):
        return set()
    stems = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return {path for stem in stems for path in (f"{stem}/__init__.py", f"{stem}.py") if (root / path).is_file()}


def computed_prefixes(tree: ast.AST) -> set[str]:
    """`pixelproof/networks/` for a name made by `f"pixelproof.networks.{name}"`."""
    texts = [node.values[0] for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) and node.values]
    names = [str(text.value) for text in texts if isinstance(text, ast.Constant)]
    return {name.replace(".", "/") for name in names if name.split(".")[0] in PACKAGES and name.endswith(".")}
