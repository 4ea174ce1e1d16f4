"""How far retraining moved an architecture when it last had several seeds: git knows when, DVC has the results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.compare.estimate import apart, seed_spread
from pipelines.compare.runs import Runs, read_runs
from pipelines.compare.store import Outputs, Store
from pipelines.dvc.revision import Revision, flatten, git, open_revision
from pixelproof.core.errors import StateError
from pixelproof.scoring.counts import counts
from pixelproof.scoring.scores import scores

SPLIT = "val"
MOST = 50  # changes of params.yaml that are looked through


@dataclass(frozen=True)
class Past:
    """How far one seed's score was from another's, in 1 - alpha of all cases."""

    architecture: str
    commit: str
    seeds: int
    retraining: float


def past_spreads(head: Revision, names: Sequence[str], store: Store, metric: str, alpha: float) -> tuple[Past, ...]:
    """Of these architectures, from the last revision of the head's history with results of several seeds, if any."""
    if not names:
        return ()
    for commit in _several_seeds(head):
        try:
            runs = read_runs(Outputs(open_revision(commit), store))
        except StateError:  # of long ago, and in another form
            continue
        each = {name: _spread(runs, name, metric, alpha) for name in names}
        found = tuple(Past(name, commit, *of) for name, of in each.items() if of)
        if found:
            return found
    return ()


def _spread(runs: Runs, name: str, metric: str, alpha: float) -> tuple[int, float] | None:
    seeds = [of[SPLIT].counts.sum(axis=0) for of in runs.found.get(name, {}).values() if SPLIT in of]
    if len(seeds) < 2:
        return None
    values = scores(counts(np.stack(seeds)), [metric])[metric][:, None]
    spread = seed_spread(values, values[:1])
    found = apart(2 * float(spread.variance[0]), spread.freedom, 1 - alpha)  # of two networks of one seed each
    return None if math.isnan(found) else (len(seeds), found)


def _several_seeds(head: Revision) -> Iterator[str]:
    """The commits of the head's history after which params.yaml no longer asks for several seeds; newest first."""
    listed = git("log", f"--max-count={MOST}", "--format=%H %P", head.commit or "HEAD", "--", "params.yaml").decode()
    after = ""
    for line in listed.splitlines():
        commit, *parents = line.split()
        if _seeds(commit) > 1:
            yield after if after and _seeds(after) > 1 else commit
        after = parents[0] if parents else ""


def _seeds(commit: str) -> int:
    try:
        listed = flatten(open_revision(commit).mapping("params.yaml") or {}).get("train.seeds")
    except StateError:
        return 0
    return len(listed) if isinstance(listed, list) else 0
