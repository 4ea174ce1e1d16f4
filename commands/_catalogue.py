"""The commands there are: files of this folder, read and not imported, so that help is quick."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

from pixelproof.core.errors import ExitCode, StateError, nearest

FOLDER = Path(__file__).parent
Group = Literal["data", "run", "networks", "trust"]


@dataclass(frozen=True)
class Entry:
    """A command as the list of all shows it."""

    name: str
    group: str
    summary: str


class Command(Protocol):
    """What a command's file holds beside its docstring, whose first line is its help."""

    GROUP: Group

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command takes."""

    def run(self, arguments: argparse.Namespace) -> ExitCode | None:
        """Make the one call; None is `ExitCode.GOOD`."""


def entries(folder: Path = FOLDER) -> list[Entry]:
    """Every command, in the order of the groups and of the alphabet.

    Raises:
        StateError: a file of the folder names no group, or one that there is not.
    """
    found = [_entry(path) for path in sorted(folder.glob("[!_]*.py"))]
    return sorted(found, key=lambda entry: get_args(Group).index(entry.group))


def _entry(path: Path) -> Entry:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    groups = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and ast.unparse(node.targets[0]) == "GROUP"
    ]
    if len(groups) != 1 or groups[0] not in get_args(Group):
        raise StateError(f"commands/{path.name}", "no group", f"expected GROUP = one of {', '.join(get_args(Group))}")
    return Entry(path.stem, str(groups[0]), (ast.get_docstring(tree) or "").split("\n")[0].rstrip("."))


def listing(found: list[Entry]) -> str:
    """The commands by group, a line each."""
    width = max(len(entry.name) for entry in found)
    lines = []
    for group in dict.fromkeys(entry.group for entry in found):
        lines += ["", group, *(f"  {e.name:<{width}}  {e.summary}" for e in found if e.group == group)]
    return "\n".join(lines[1:])


def load(name: str) -> Command:
    """The module of a command.

    Raises:
        StateError: there is none of this name; the message names the nearest.
    """
    names = [entry.name for entry in entries()]
    if name not in names:
        fix = f"`pixelproof --help` lists them{nearest(name, names)}"
        raise StateError(f"pixelproof {name}", "no such command", fix)
    return cast(Command, importlib.import_module(f"commands.{name}"))


def folder_from(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder in which the command was typed, from which a person's paths are meant; here it is `Path()`."""
    folder = environ.get("PIXELPROOF_FROM", "")
    return Path() if not folder or Path(folder) == Path.cwd() else Path(folder)


def path_from(text: str) -> Path:
    """A path as a person gave it."""
    return folder_from() / text
