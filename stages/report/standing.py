"""Which network is best, by a paired test: all of them saw the same images, so each group of images is compared itself.

An interval of the difference between two networks covers other images of the same kind and, with several seeds, other
trainings. Its variance is the sum of both: of resamples of the groups (bootstrap), and of the seeds, whose spread is
pooled over the networks because there are few. It is widened by Student's t with Welch and Satterthwaite's degrees of
freedom: resamples of few groups vary too little. A network is called best if the interval to every other is above 0 and
a permutation test of each says so too, corrected for their number (Holm). Pure, but for the one line that fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import StateError
from pixelproof.scoring.counts import counts, unstacked
from pixelproof.scoring.formulas import Floats
from pixelproof.scoring.resampling import FEWEST, bootstrap, group_sums, holm, permutation_test
from pixelproof.scoring.scores import scores
from stages.report.figures import MINUS, TOO_FEW, Span, listed, over_seeds, ranking
from stages.report.gather import Results

RESAMPLES = PERMUTATIONS = 2000
Units = NDArray[np.int64]  # [groups, networks, seeds, 3, classes]: correct, true and predicted pixels


@dataclass(frozen=True)
class Gap:
    """How much more the best has than another: mIoU on the test split, and what can be said about it."""

    name: str
    by: float
    span: Span | None  # None with too few groups
    p: float  # corrected for the number of networks that the best is compared with

    def shown(self, alpha: float) -> bool:
        """Whether the difference is more than chance."""
        return self.span is not None and self.span[0] > 0 and self.p < alpha


@dataclass(frozen=True)
class Standing:
    """The best network by its score, and its distance to all others, the nearest first."""

    best: str
    score: float
    gaps: tuple[Gap, ...]
    groups: int
    seeds: int
    confidence: float

    @property
    def tied(self) -> list[str]:
        """The networks that are not shown to be worse than the best."""
        return [gap.name for gap in self.gaps if not gap.shown(1 - self.confidence)]

    @property
    def clear(self) -> bool:
        """Whether one is shown to be best."""
        return bool(self.gaps) and not self.tied


def standing(results: Results, split: str = "test") -> Standing | None:
    """Where the networks stand on a split; None if nothing has a score there."""
    names = ranking(results, split)
    score = over_seeds(results.runs[names[0]], split, "mIoU").mean
    units = units_of(results, names, split)
    if score is None or units is None:
        return None
    confidence = float(results.runs[names[0]][0].metrics[split]["intervals"]["confidence"])
    rng = np.random.default_rng(int(results.params.seed or 0))
    gaps = gaps_of(units, names, confidence, rng)
    return Standing(names[0], score, tuple(gaps), len(units), units.shape[2], confidence)


def units_of(results: Results, names: list[str], split: str = "test") -> Units | None:
    """The pixels of each group of a split's images, for every network and seed; None without images."""
    runs = [run for name in names for run in results.runs[name]]
    if not all(split in run.matrices for run in runs):
        return None
    first = runs[0].matrices[split]
    for run in runs:
        if run.matrices[split].ids != first.ids:
            path = run.folder / "evaluate/matrices.parquet"
            raise StateError(str(path), f"{split} images other than those of the other networks", "run `dvc repro`")
    stacks = np.stack([counts(run.matrices[split].counts).stacked() for run in runs], axis=1)
    shape = (len(stacks), len(names), len(runs) // len(names), *stacks.shape[2:])
    return group_sums(stacks.reshape(shape), first.groups)


def score_of(sums: NDArray[np.float64]) -> Floats:
    """The mIoU of sums [..., seeds, 3, classes]: the mean over the seeds."""
    return np.asarray(scores(unstacked(sums), ["mIoU"])["mIoU"].mean(axis=-1))


def gaps_of(units: Units, names: list[str], confidence: float, rng: np.random.Generator) -> list[Gap]:
    """The distance from the first network to each other one, the nearest first."""
    if len(names) < 2:
        return []
    found = score_of(units.sum(axis=0))
    spread = bootstrap(units, score_of, RESAMPLES, rng)
    p = [
        permutation_test(units[:, other], units[:, 0], lambda sums: score_of(sums)[..., None], PERMUTATIONS, rng)[0]
        for other in range(1, len(names))
    ]
    seeds = scores(unstacked(units.sum(axis=0)), ["mIoU"])["mIoU"]
    gaps = []
    for other, corrected in enumerate(holm(np.array(p)), start=1):
        by = float(found[0] - found[other])
        half = half_width(spread[:, 0] - spread[:, other], seeds, len(units), confidence)
        gaps.append(Gap(names[other], by, None if half is None else (by - half, by + half), float(corrected)))
    return sorted(gaps, key=lambda gap: (gap.by, gap.name))


def half_width(differences: Floats, seeds: Floats, groups: int, confidence: float) -> float | None:
    """Half an interval of a difference: from its resamples, and from the scores of the seeds [networks, seeds].

    None with too few groups.
    """
    from scipy.special import stdtrit

    if groups < FEWEST:
        return None
    parts = [(float(np.nanvar(differences)) * groups / (groups - 1), groups - 1)]
    networks, count = seeds.shape
    if count > 1:
        parts.append((2 * float(seeds.var(axis=1, ddof=1).mean()) / count, networks * (count - 1)))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / of for part, of in parts)
    return float(stdtrit(freedom, (1 + confidence) / 2) * variance**0.5)


# --- in words --------------------------------------------------------------------------------------------------------


def verdict(found: Standing | None) -> tuple[str, str, str]:
    """The headline in three parts: what comes before the name of the best, the name, and what comes after it."""
    if found is None:
        return "Nothing to rank: the test split is empty", "", ""
    if not found.gaps:
        return "", found.best, f"reaches {found.score:.3f} mIoU"
    if found.clear:
        gap = found.gaps[0]
        return "", found.best, f"is best: {signed(gap.by)} mIoU over the next, {interval(gap, found.confidence)}"
    between = "between" if len(found.tied) == 1 else "among"
    return "No clear winner ", "", f"{between} {listed([found.best, *found.tied])}"


def because(found: Standing | None) -> str:
    """What the headline rests on, in a sentence or two."""
    if found is None or not found.gaps:
        return ""
    if found.groups < FEWEST:
        what = f"{found.groups} group{'s' if found.groups > 1 else ''} of images"
        return f"{what} cannot tell networks apart; it takes {FEWEST} or more."
    nearest = found.gaps[0]
    trained = (
        "One training each: what another seed would change is not known."
        if found.seeds == 1
        else f"Means of {found.seeds} seeds, whose spread is in the interval."
    )
    paired = f"Paired over {found.groups} groups of images"
    if found.clear:
        return f"{paired}; the next is {nearest.name}. {trained}"
    apart = f"{found.best} has {signed(nearest.by)} mIoU over {nearest.name}, {interval(nearest, found.confidence)}"
    if nearest.span and nearest.span[0] > 0:
        apart += f", which {len(found.gaps)} comparisons at once do not bear out"
    return f"{paired}: {apart}. {trained}"


def out_of_fold(results: Results) -> str:
    """What folds add: where the networks stand on all images of train and val; nothing without folds."""
    if not results.folds:
        return ""
    found = standing(results, "val")
    said = " ".join(verdict(found)) if found else "nothing is labelled"
    images, folds = results.cards["val"]["images"], results.folds
    return (
        f"Out of fold: {' '.join(said.split())}. {because(found)}".strip()
        + f" Each of the {images} images of train and val is judged by the network, of {folds}, that did not learn from"
        f" its fold; those of test by all {folds} together."
    )


def interval(gap: Gap, confidence: float) -> str:
    """The interval of a difference in words."""
    if gap.span is None:
        return TOO_FEW
    low, high = (f"{end:.3f}".replace("-", MINUS) for end in gap.span)
    return f"{confidence * 100:g}\u00a0% interval {low} to {high}"


def signed(value: float) -> str:
    """A difference with its sign; one that rounds to nothing has none."""
    text = f"{value:+.3f}".replace("-", MINUS)
    return text if float(f"{value:.3f}") else "0.000"
