"""Whether what stages read is as in HEAD: what runs elsewhere runs a commit, and not what lies in this folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pipelines.dvc.revision import changed_files
from pipelines.dvc.strays import strays
from pipelines.words import listed
from pixelproof.core.errors import StateError


def check_committed(repo: Any, why: str) -> None:
    """See that everything that stages read and no stage writes is committed as it is here.

    Args:
        repo: DVC's repository, of this folder.
        why: it must be, for the end of a sentence.

    Raises:
        StateError: files are changed, or not tracked.
    """
    if stray := strays(repo):
        found, fix = _why(stray)
        raise StateError(stray[0].partition(": ")[0], found, fix)
    changed = changed_files("params.yaml", "dvc.yaml", ".dvcignore", *data_files(repo), *_read(repo))
    if changed:
        raise StateError(listed(sorted(changed)), "not as in HEAD", f"commit that first, or `git stash`: {why}")


def data_files(repo: Any) -> list[str]:
    """The .dvc files."""
    return [stage.path_in_repo for stage in repo.index.stages if stage.is_data_source]


def _read(repo: Any) -> Iterable[str]:
    """What stages read and no stage writes, and no .dvc file records."""
    deps = {dep.def_path for stage in repo.index.stages if not stage.is_data_source for dep in stage.deps}
    outs = [out.def_path for stage in repo.index.stages for out in stage.outs]
    return sorted(path for path in deps if path and not path.startswith((*outs, "/")))


def _why(stray: Sequence[str]) -> tuple[str, str]:
    found, _, fix = stray[0].partition(": ")[2].partition("; ")
    more = f" ({len(stray) - 1} more like it)" if len(stray) > 1 else ""
    return f"{found}{more}, so a run of the commit would be without it", fix or "`git add` it or remove it"
