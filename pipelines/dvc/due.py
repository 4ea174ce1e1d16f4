"""What a run would do: the stages that the targets need, and those of them that DVC would not skip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.dvc.graph import Graph, changed_stages, open_repo, read_graph
from pipelines.dvc.leftovers import clear
from pipelines.params import Pipelines, load_pipelines
from pixelproof.core.errors import unknown_name


@dataclass(frozen=True)
class Due:
    """The graph of a run, what has changed, and the settings of runs."""

    graph: Graph
    changed: frozenset[str]
    settings: Pipelines


def due(targets: Sequence[str]) -> Due:
    """Ask DVC; what no stage declares any more is removed first, as it would enter the report.

    Args:
        targets: stages; none means all of dvc.yaml.

    Raises:
        StateError: DVC cannot tell, or has no such stage.
        ParamsError: a setting of runs is wrong.
    """
    with open_repo() as repo:
        graph = read_graph(repo, targets)
        clear(repo)
        changed = changed_stages(repo, graph.order)
        return Due(graph, frozenset(changed), _settings(repo))


def asked(targets: Sequence[str]) -> Due:
    """The same without asking what has changed: any may have.

    Args:
        targets: as for `due`.
    """
    with open_repo() as repo:
        graph = read_graph(repo, targets)
        return Due(graph, frozenset(graph.order), _settings(repo))


def _settings(repo: Any) -> Pipelines:
    names = {stage.addressing.split("@")[0] for stage in repo.index.stages}
    settings = load_pipelines()
    for name in settings.retries.keys() - names:
        raise unknown_name("pipelines.retries", name, names)
    return settings
