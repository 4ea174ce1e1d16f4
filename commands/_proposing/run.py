"""Shows what is proposed for the prepared data, and writes it into params.yaml if asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from commands._params import checked
from commands._proposing.facts import Line
from commands._proposing.reading import PREPARED, read
from commands._proposing.rules import network, propose, warnings
from commands._proposing.trial import timed
from pipelines.edit import set_values, with_reasons
from pipelines.processes import Command
from pipelines.processes import run as run_command
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_text
from pixelproof.core.params import pick, read_yaml
from pixelproof.core.progress import say
from pixelproof.core.table import markdown_table
from pixelproof.data.dataset import read_header

PREPARE = "bin/python -m dvc repro prepare"
UNWRITTEN = "nothing was written (--write writes the changed lines into params.yaml)"


def prepare(root: Path) -> None:
    """Have DVC prepare what was just added.

    Raises:
        StateError: DVC failed, or this is no repository of DVC.
    """
    if not (root / ".dvc").is_dir():
        raise StateError("--propose", "no repository of DVC here", f"in one, run `{PREPARE}`, then propose again")
    code, lines = run_command(Command([sys.executable, "-m", "dvc", "repro", "prepare"], root), say)
    if code:
        raise StateError("`dvc repro prepare`", lines[-1] if lines else "failed", f"mend that, and run `{PREPARE}`")


def current(root: Path) -> None:
    """Require the prepared data to be of this params.yaml, these images and this code, and nobody to be writing it.

    Raises:
        StateError: It is not.
    """
    if not (root / ".dvc").is_dir():
        return
    from pipelines.dvc.graph import open_repo
    from pipelines.plan.plan import plan

    with open_repo() as repo, repo.lock:
        steps = [step for step in plan(repo, ["prepare"]) if step.action != "up to date"]
    if steps:
        first = f"{steps[0].stage} {steps[0].action}: {'; '.join(steps[0].reasons)}"
        raise StateError(str(PREPARED), f"not what DVC would prepare now ({first})", f"run `{PREPARE}`")


def show(root: Path, minutes: float, write: bool | None, ask: Callable[[str], bool] | None) -> list[str]:
    """Propose, print, and write if asked; returns the lines to print last.

    Args:
        root: The clone, which is the current folder.
        minutes: For the training of one network.
        write: Whether to write; None where that is not said.
        ask: Asks a person; None where nobody answers.

    Raises:
        PixelproofError: The data is not there, or not of this params.yaml; or what is proposed is refused by the
            stages. Nothing is written then.
    """
    current(root)
    values = read_yaml(root / "params.yaml")
    facts = read(values, root)
    chosen, classes = network(facts), len(read_header(root / PREPARED).classes)
    portable = bool(pick(values, "compute").get("portable"))
    lines = propose(facts, timed(chosen.arch, chosen.scale, classes, portable, root), minutes)
    changed = [line for line in lines if pick(values, line.key) != line.value]
    edited((root / "params.yaml").read_text(encoding="utf-8"), lines, root)
    print(*table(lines, values), "", *warnings(facts), sep="\n", flush=True)
    if not changed:
        return ["params.yaml has all of it already"]
    if write is None:
        write = ask is not None and ask(f"Write these {len(changed)} changed lines into params.yaml? [Y/n] ")
    if not write:
        return [UNWRITTEN]
    path = root / "params.yaml"
    write_text(path, edited(path.read_text(encoding="utf-8"), lines, root))
    keys = ", ".join(line.key for line in changed)
    return [f"changed in params.yaml: {keys}", "next: `bin/pixelproof plan`, then `make repro`"]


def table(lines: Sequence[Line], values: dict[str, Any]) -> list[str]:
    """What is proposed beside what is there."""
    rows = []
    for line in lines:
        now = pick(values, line.key)
        rows.append([line.key, shown(now), "as now" if now == line.value else shown(line.value), line.why])
    return markdown_table(["key", "now", "proposed", "why"], rows)


def shown(value: object) -> str:
    """A value as params.yaml could have it, on one line."""
    if value is None:
        return "(empty)"
    return yaml.safe_dump(value, default_flow_style=True, width=1 << 20).removesuffix("...\n").strip()


def edited(text: str, lines: Sequence[Line], root: Path) -> str:
    """params.yaml with the proposal, and the reasons where DVC keeps them; checked as a whole by all stages' models."""
    now = YAML(typ="safe").load(text)
    changes = {line.key: line.value for line in lines if pick(now, line.key) != line.value}
    noted = with_reasons(set_values(text, changes), {line.key: line.why for line in lines})
    checked(root, YAML(typ="safe").load(StringIO(noted)))
    return noted
