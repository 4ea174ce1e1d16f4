"""Lists the commands: the files of this folder, read but not imported, so that help is fast."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

from pixelproof.core.errors import ExitCode, StateError, nearest

FOLDER = Path(__file__).parent
FOLDERS = ("DATA_MIRROR", "PIXELPROOF_CACHE")  # variables that a stage reads; tests compare them with its own
Group = Literal["data", "run", "networks", "trust"]


@dataclass(frozen=True)
class Entry:
    """A command as `pixelproof --help` lists it."""

    name: str
    group: str
    summary: str


class Command(Protocol):
    """What a command's file contains, besides its docstring, whose first line is its help."""

    GROUP: Group

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> ExitCode | None:
        """Run the command; None means `ExitCode.GOOD`."""


def entries(folder: Path = FOLDER) -> list[Entry]:
    """Every command, by group and then by name.

    Raises:
        StateError: a file names no group, or an unknown one.
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
    """The commands by group, one per line."""
    width = max(len(entry.name) for entry in found)
    lines = []
    for group in dict.fromkeys(entry.group for entry in found):
        lines += ["", group, *(f"  {e.name:<{width}}  {e.summary}" for e in found if e.group == group)]
    return "\n".join(lines[1:])


def load(name: str) -> Command:
    """The module of a command.

    Raises:
        StateError: no command has this name; the message suggests the closest.
    """
    names = [entry.name for entry in entries()]
    if name not in names:
        fix = f"`pixelproof --help` lists them{nearest(name, names)}"
        raise StateError(f"pixelproof {name}", f"no such {'option' if name.startswith('-') else 'command'}", fix)
    return cast(Command, importlib.import_module(f"commands.{name}"))


def folder_from(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder in which the command was typed, where relative paths start; `Path()` if that is the current one."""
    folder = environ.get("PIXELPROOF_FROM", "")
    return Path() if not folder or Path(folder) == Path.cwd() else Path(folder)


def anchor_folders(environ: MutableMapping[str, str]) -> None:
    """Make the folders absolute that variables name: what runs in a worktree of its own looks for them too."""
    for name in FOLDERS:
        value = environ.get(name, "")
        if value and "://" not in value and not value.startswith("~"):
            environ[name] = str((folder_from(environ) / value).resolve())


def path_from(text: str) -> Path:
    """A path as the user gave it, from the folder where the command was typed; an empty one would be that folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found an empty argument")
    return folder_from() / text
