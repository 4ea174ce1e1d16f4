"""What all points of a sweep have in common: the stages that none of their settings reaches.

These run once, before the points do; otherwise the first points, side by side, would all run them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.dvc.graph import open_repo
from pixelproof.core.params import read_yaml

EXPRESSION = re.compile(r"\$\{\s*([^}\s]+)\s*\}")


def untouched(tree: Path, keys: Iterable[str]) -> list[str]:
    """The stages that no setting of these keys reaches, as DVC names them.

    Args:
        tree: a folder with the graph.
        keys: of params.yaml.
    """
    import networkx as nx

    stages = (read_yaml(tree / "dvc.yaml").get("stages") or {}).items()
    reached = {name for name, definition in stages if any(reads(definition, key) for key in keys)}
    with open_repo(tree) as repo:
        graph = repo.index.graph  # an edge leads from a stage to one that it needs
        of = {stage: stage.name for stage in repo.index.stages if stage.cmd}
        touched = {stage for stage, name in of.items() if name.split("@")[0] in reached}
        return [
            name
            for stage, name in of.items()
            if stage not in touched and touched.isdisjoint(nx.descendants(graph, stage))
        ]


def reads(definition: Mapping[str, Any], key: str) -> bool:
    """Whether a stage of dvc.yaml reads a setting: as a param, or in what is filled in.

    >>> reads({"cmd": "run ${item.arch}", "matrix": {"arch": "${architectures}"}}, "architectures")
    True
    >>> reads({"params": ["train.loss"]}, "train.lr"), reads({"params": ["train"]}, "train.lr")
    (False, True)
    """
    params = [name for each in definition.get("params") or [] for name in _names(each)]
    filled = EXPRESSION.findall(json.dumps(dict(definition), default=str))
    return any(_related(name, key) for name in (*params, *(re.split(r"\[", name)[0] for name in filled)))


def _names(entry: Any) -> list[str]:
    """The keys of an entry of `params`, which may name another file."""
    return [str(entry)] if isinstance(entry, str) else list((entry or {}).get("params.yaml") or [])


def _related(one: str, other: str) -> bool:
    """Whether a key is another, or one of them lies in the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
