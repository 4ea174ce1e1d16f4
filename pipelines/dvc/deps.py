"""Compares the project's files that each stage imports with the code that dvc.yaml lists for it.

Imports are read from the code, function-level ones included, so nothing has to be run. An import by a computed name
(`import_module(f"pixelproof.sources.{name}")`) stands for any listed module of that package: which of them a run loads
is known only at run time, and tests/test_dependencies.py watches a run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pixelproof.core.errors import StateError
from pixelproof.core.syntax import parse

PACKAGES = ("pixelproof", "stages", "pipelines", "commands")
ENTRY = re.compile(r"-m (stages\.\w+)")  # in a stage's command


@dataclass(frozen=True)
class Difference:
    """What a stage imports but dvc.yaml does not list for it, and what is listed but never imported."""

    lacks: tuple[str, ...]
    unused: tuple[str, ...]


def lines_of(found: Mapping[str, Difference]) -> list[str]:
    """A line for each file or folder that is missing from a stage's `deps`, or listed there in vain."""
    lacking = [
        f"dvc.yaml: {name}: imports {path}, which its deps do not list" for name in found for path in found[name].lacks
    ]
    unused = [
        f"dvc.yaml: {name}: deps list {path}, which it does not import" for name in found for path in found[name].unused
    ]
    return lacking + unused


def differences(root: Path, stages: Iterable[Any]) -> dict[str, Difference]:
    """The stages whose listed code is not the code they import; a matrix stage once, as its items share their code.

    A stage that runs anything but `python -m stages.<name>` imports none of the project's code.
    """
    found = {}
    for name, stage in {stage.name.split("@")[0]: stage for stage in stages if ENTRY.search(str(stage.cmd))}.items():
        listed = listed_code(root, stage)
        covered = set[str]().union(*listed.values())
        imported = closure(root, entry(stage.cmd), covered)
        used = {path for path, files in listed.items() if files & imported}
        difference = Difference(tuple(sorted(imported - covered)), tuple(sorted(listed.keys() - used)))
        if difference.lacks or difference.unused:
            found[name] = difference
    return found


def listed_code(root: Path, stage: Any) -> dict[str, set[str]]:
    """`dep -> its Python files`, for the deps of a stage that are the project's code."""
    listed = [dep.def_path for dep in stage.deps if dep.def_path.split("/")[0] in PACKAGES]
    return {path: code_in(root, path) for path in listed}


def code_in(root: Path, path: str) -> set[str]:
    """The Python files of a folder, or the file itself."""
    files = (root / path).rglob("*.py") if (root / path).is_dir() else [root / path]
    return {file.relative_to(root).as_posix() for file in files}


def entry(command: str) -> str:
    """The module that a stage's command runs."""
    if not (match := ENTRY.search(command)):
        raise StateError("dvc.yaml", f"the command {command!r}", "expected `bin/python -m stages.<name> ...`")
    return f"{match[1]}.__main__"


def closure(root: Path, module: str, loadable: Set[str] = frozenset()) -> set[str]:
    """The project's files that a module imports, directly or not; `loadable` are those a computed import may reach."""
    waiting, seen = files_of(root, module), set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        names, prefixes = _imports((root / path).read_bytes(), path)
        for name in names:
            waiting |= files_of(root, name)
        for prefix in prefixes:
            waiting |= {path for path in loadable if path.startswith(prefix)}
        waiting -= seen
    return seen


@cache  # stages share most of their code
def _imports(source: bytes, path: str) -> tuple[frozenset[str], frozenset[str]]:
    """The project's names that a file imports, and the beginnings of those that it computes."""
    tree = parse(source, path)
    names = {name for name in imported_names(tree, Path(path).parent.parts) if name.split(".")[0] in PACKAGES}
    return frozenset(names), frozenset(computed_prefixes(tree))


def imported_names(tree: ast.AST, package: Sequence[str]) -> Iterator[str]:
    """Dotted names that a module imports anywhere in it; for `from a import b` both `a` and `a.b`, which may be one.

    A string that names a module counts too: `import_module("stages.a")`, or the command of a process it starts.
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
    """`pixelproof/networks/` for a name built by `f"pixelproof.networks.{name}"`."""
    texts = [node.values[0] for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) and node.values]
    names = [str(text.value) for text in texts if isinstance(text, ast.Constant)]
    return {name.replace(".", "/") for name in names if name.split(".")[0] in PACKAGES and name.endswith(".")}
