"""The commands of a stage: files of its folder `commands`, found by their names and run in place of the stage.

The stage imports none of them, so that none of their code is part of what it computes: a change of one reruns nothing.
What several commands share begins with `_`.
"""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

from pixelproof.core.errors import StateError, nearest


def commands(stage: str) -> dict[str, Path]:
    """`name -> file` of a stage's commands."""
    folder = Path(__file__).parent / stage / "commands"
    return {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}


def run_command(stage: str) -> bool:
    """Run the command that the first argument names, with those that follow; False where it is an option instead."""
    if not sys.argv[1:] or sys.argv[1].startswith("-"):
        return False
    name, known = sys.argv.pop(1), commands(stage)
    if name not in known:
        listed = f"commands: {', '.join(known)}{nearest(name, known)}"
        raise StateError(f"python -m stages.{stage} {name}", "no such command", listed)
    runpy.run_module(f"stages.{stage}.commands.{name}", run_name="__main__")
    return True


def commands_help(stage: str) -> str | None:
    """One line for each command, from the first one of its file, where help is asked for."""
    if not {"-h", "--help"} & set(sys.argv[1:]):
        return None
    firsts = {
        name: (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
        for name, path in commands(stage).items()
    }
    return "\n".join(["commands, each with its own --help:", *(f"  {name:<12}{text}" for name, text in firsts.items())])
