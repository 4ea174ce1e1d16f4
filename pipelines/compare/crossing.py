"""If the evaluation data changed: both models on both versions of it, and the change split into two parts.

With S(model, data) for a score, the whole change is S(head, head) - S(base, base). It is the sum of

    because the data changed   mean of S(base, head) - S(base, base) and S(head, head) - S(head, base)
    because the model changed  mean of S(head, base) - S(base, base) and S(head, head) - S(base, head)

the decomposition of Oaxaca (1973) and Blinder (1973), with the weights of Reimers (1983): each effect is its mean over
both orders, so that neither revision is the reference. (For two factors that mean is also the Shapley value.)
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pipelines.compare.runs import SPLITS, Runs, Seeds, folds, same_seeds
from pipelines.compare.store import Outputs
from pipelines.compare.worktree import evaluate_there, worktree
from pixelproof.core.errors import StateError
from pixelproof.scoring.counts import counts
from pixelproof.scoring.matrices import Matrices, read_matrices
from pixelproof.scoring.scores import scores

METRIC = "mIoU"


@dataclass(frozen=True)
class Crossed:
    """An architecture's mIoU on a split: each model on each version of the data, model first; None: undefined."""

    arch: str
    split: str
    base_base: float | None
    base_head: float | None
    head_base: float | None
    head_head: float | None

    @property
    def change(self) -> float | None:
        """The head's model on its data against the base's model on its own."""
        return _minus(self.head_head, self.base_base)

    @property
    def by_exam(self) -> float | None:
        """The part of the change that is due to the data."""
        return _half(_minus(self.base_head, self.base_base), _minus(self.head_head, self.head_base))

    @property
    def by_model(self) -> float | None:
        """The part of the change that is due to the model."""
        return _half(_minus(self.head_base, self.base_base), _minus(self.head_head, self.base_head))


def _minus(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def _half(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else (one + other) / 2


@dataclass(frozen=True)
class Other:
    """By architecture, each revision's networks evaluated on the other revision's data."""

    base_on_head: dict[str, Seeds]
    head_on_base: dict[str, Seeds]


def cross_evaluate(base: Outputs, head: Outputs, runs: tuple[Runs, Runs]) -> Other:
    """Run the networks of each revision, with its own code, on the data of the other."""
    if lacking := sorted({*runs[0].lacking, *runs[1].lacking}):
        pulls = dict.fromkeys(filter(None, (base.pull(), head.pull())))
        commands = "; ".join(f"`{command}`" for command in pulls) or "run `dvc repro` there, or add a DVC remote"
        raise StateError("--cross-evaluate", f"not all results are here ({', '.join(lacking)})", commands)
    if any(folds(of) for of in (base, head)):
        found = "networks in folds: on other data, which of them did not learn from an image is not known"
        raise StateError("--cross-evaluate", found, "compare without it: images in both revisions are compared")
    classes = [found.classes for found in runs]
    if classes[0] is None or classes[1] is None or classes[0].names != classes[1].names:
        found = "the two revisions do not have the same classes"
        raise StateError("--cross-evaluate", found, "compare without it: a network cannot predict other classes")
    shared = sorted(runs[0].found.keys() & runs[1].found.keys())
    count = len(classes[0].names)
    return Other(
        _answers(base, head, runs[0], shared, count),
        _answers(head, base, runs[1], shared, count),
    )


def _answers(model: Outputs, data: Outputs, runs: Runs, names: list[str], classes: int) -> dict[str, Seeds]:
    answers: dict[str, Seeds] = {}
    with worktree(model.side) as place:
        for name in names:
            for seed in sorted(runs.found[name]):
                said = f"{model.side.name}: {name}-{seed} on the data of {data.side.name}"
                print(said, file=sys.stderr, flush=True)
                content = evaluate_there(place, model, data, name, seed)
                answers.setdefault(name, {})[seed] = read_matrices(content, classes, said)
    return answers


def crossed(other: Other, runs: tuple[Runs, Runs], changed: set[str]) -> list[Crossed]:
    """The four scores of each architecture for the splits that changed, over the same seeds.

    A split that a revision has no images of is left out: its networks may have learnt from those of the other.
    """
    rows = []
    for name in sorted(other.base_on_head):
        own = [side.found[name] for side in runs]
        base, head = (set(seeds) for seeds in zip(*same_seeds(*own), strict=True))
        asked = (own[0], base), (other.base_on_head[name], base), (other.head_on_base[name], head), (own[1], head)
        both = {split for split in changed if all(split in of for seeds in own for of in seeds.values())}
        for split in (split for split in SPLITS if split in both):
            cells = (score({seed: of[seed] for seed in seeds}, split) for of, seeds in asked)
            rows.append(Crossed(name, split, *cells))
    return rows


def score(seeds: Seeds, split: str) -> float | None:
    """The mean over the seeds of a split's mIoU, all of its images pooled."""
    found = [_pooled(of[split]) for of in seeds.values() if split in of]
    defined = [value for value in found if value == value]  # NaN where nothing is labelled
    return sum(defined) / len(defined) if defined else None


def _pooled(found: Matrices) -> float:
    return float(scores(counts(found.counts.sum(axis=0)), [METRIC])[METRIC])
