"""The order of the stages in dvc.lock: DVC appends what has run, so stages side by side leave that in which they ended.

Here it becomes that of a run one by one: first what the last commit has, as it has it, then in the order in which DVC
would have run the rest. So parallel runs, and killed ones that went on, write the same bytes as `dvc repro`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipelines.dvc.graph import collect
from pipelines.dvc.lock import LOCK
from pipelines.dvc.revision import open_revision
from pipelines.dvc.rwlock import alone
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_text


def put_in_order(repo: Any, targets: Sequence[str]) -> None:
    """Write dvc.lock with its stages in the order of a run of the targets one by one; their entries stay as they are.

    Args:
        repo: DVC's repository, of this folder.
        targets: as of `read_graph`.

    Raises:
        StateError: DVC is at work here.
    """
    from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

    path = Path(repo.root_dir, LOCK)
    if not path.is_file():
        return
    with alone(repo):
        content = parse_yaml_for_update(path.read_text(encoding="utf-8"), str(path))
        stages = content.get("stages", {})
        names = in_order(stages, _committed(), planned(repo, targets))
        if names == list(stages):
            return
        for name in names:
            stages.move_to_end(name)
        write_text(path, dumps_yaml(content))


def in_order(names: Iterable[str], committed: Sequence[str], plan: Sequence[str]) -> list[str]:
    """The names in the order of a run one by one.

    Args:
        names: of the stages, in whatever order they ended.
        committed: those of the last commit, in its order.
        plan: those that a run would go through, in its order.

    Returns:
        First the committed ones; then others that the run does not go through, as they came; then the rest.

    Example:
        >>> in_order(["c", "x", "b", "a"], ["a"], ["a", "b", "c"])
        ['a', 'x', 'b', 'c']
    """
    position = {name: number for number, name in enumerate(plan)}
    known = {name: number for number, name in enumerate(committed)}
    place = {name: (0, known[name]) if name in known else (1, position.get(name, -1)) for name in names}
    return sorted(place, key=place.__getitem__)


def planned(repo: Any, targets: Sequence[str]) -> list[str]:
    """The stages of a run of the targets, in the order in which DVC runs them one by one."""
    from dvc.repo.reproduce import get_active_graph, plan_repro

    wanted = [stage for target in targets or ["dvc.yaml"] for stage in collect(repo, target)]
    return [stage.addressing for stage in plan_repro(get_active_graph(repo.index.graph), wanted)]


def _committed() -> list[str]:
    try:
        content = open_revision("HEAD").mapping(LOCK)
    except StateError:  # no commit yet
        return []
    return list((content or {}).get("stages", {}))
