"""The DVC graph and its state, without Prefect: the stages, what each waits for, and which would run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from typing import Any

from pipelines.dvc.cut import restore_lock
from pipelines.dvc.rwlock import remove_unreadable
from pixelproof.core.errors import DataError, StateError, nearest


@dataclass(frozen=True)
class Graph:
    """Stages in an order in which they can run, and for each the stages whose outputs it reads."""

    order: tuple[str, ...]
    needs: dict[str, tuple[str, ...]]


@contextmanager
def open_repo(folder: Path = Path()) -> Iterator[Any]:
    """The DVC repository of a folder, by default this one; DVC's errors become one line."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.lock import LockError
    from dvc.repo import Repo

    if not (folder / "dvc.yaml").is_file():
        raise StateError("dvc.yaml", "no such file", "run this in the folder of the clone")
    try:
        with Repo(str(folder)) as repo:
            remove_unreadable(repo)
            restore_lock(repo)
            yield repo
    except NotDvcRepoError:
        raise StateError(".", "no DVC repository", "run this in the folder of the clone") from None
    except DvcException as error:
        said, reason = str(error), str(error.__cause__ or "")  # the cause names the line or the key, the error the file
        found = said if not reason or reason in said else f"{said}: {reason}"
        fix = "wait for it to end, then try again" if isinstance(error, LockError) else "fix it and run again"
        raise StateError("DVC", " ".join(found.split()), fix) from error
    except UnicodeDecodeError as error:
        if not any(frame.f_globals["__name__"] == "dvc.ignore" for frame, _ in walk_tb(error.__traceback__)):
            raise
        found = f"the byte 0x{error.object[error.start]:02x}"
        raise DataError(_undecodable(folder), "UTF-8 text", found, "save it as UTF-8") from None


def _undecodable(folder: Path) -> str:
    """The .dvcignore that DVC could not read: it may be in any folder, or in a revision, and DVC does not say."""
    for path in sorted(folder.rglob(".dvcignore")):
        try:
            path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return path.relative_to(folder).as_posix()
    return "a .dvcignore of that revision"


def read_graph(repo: Any, targets: Sequence[str] = ()) -> Graph:
    """The stages that the targets need (all of dvc.yaml without targets), matrix stages expanded.

    As for `dvc repro`, a frozen stage needs no other to be run.
    """
    import networkx as nx
    from dvc.repo.reproduce import get_active_graph

    graph = repo.index.graph
    active = get_active_graph(graph)
    wanted = {stage for target in targets or ["dvc.yaml"] for stage in collect(repo, target)}
    needed = graph.subgraph(wanted.union(*(nx.descendants(active, stage) for stage in wanted)))
    position = {stage: number for number, stage in enumerate(repo.index.stages)}
    order = list(nx.lexicographical_topological_sort(needed.reverse(copy=False), key=position.__getitem__))
    return Graph(
        order=tuple(stage.addressing for stage in order),
        needs={stage.addressing: tuple(s.addressing for s in order if needed.has_edge(stage, s)) for stage in order},
    )


def collect(repo: Any, target: str) -> list[Any]:
    """Resolve a target as DVC does: a stage, all items of a matrix stage, or a .dvc file."""
    from dvc.exceptions import DvcException

    try:
        return list(repo.stage.collect(target))
    except DvcException:
        names = {name for stage in repo.index.stages for name in (stage.addressing, stage.addressing.split("@")[0])}
        listed = ", ".join(sorted(names))
        raise StateError(f"target {target!r}", "no such stage", f"stages: {listed}{nearest(target, names)}") from None


def stages_that_ran(stages: Iterable[Any]) -> set[str]:
    """The addresses of those that dvc.lock has a run of; each lock is read once, where DVC would for every stage."""
    stages = [stage for stage in stages if not stage.is_data_source]
    files = {stage.dvcfile.path: stage.dvcfile for stage in stages}
    locked = {path: file.lockfile_contents.get("stages", {}) for path, file in files.items()}
    return {stage.addressing for stage in stages if stage.name in locked[stage.dvcfile.path]}


def changed_stages(repo: Any, names: Sequence[str]) -> set[str]:
    """The stages that DVC would not skip now; all of them if another process holds a lock on what must be read."""
    from dvc.lock import LockError

    try:
        return set(repo.status()) & set(names)
    except LockError:
        return set(names)  # `dvc repro` will check again, and say who holds it
