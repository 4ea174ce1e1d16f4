"""What is said of a row: the first of these that holds. Pure.

- `not comparable`: the ground truth has no pixel of the class, or the score is undefined in a revision.
- `identical`: in every group the row's score rests on the same pixel counts as before. Nothing is tested.
- `equivalent within ±t`: the interval of the change at confidence 1 - alpha lies within the metric's tolerance. That is
  a test of either side at alpha / 2 (two one-sided tests, Schuirmann 1987). At his alpha a true change of the tolerance
  passed in 6 to 9 % of simulations, not 5: a change that happens to look small in these groups looks too sure as well.
  It comes before the next one: a change shown to be too small to matter is no news, however significant it is.
- `improved` or `regressed`: p after Holm's correction is at most alpha.
- Of the gate's rows, `alarm` or `cannot tell`: a drop of `gate.alarm` is not ruled out, at confidence 1 - alpha. The
  first of the two if the drop that was found is larger than that. All else that is said of them is a pass.
- `too few groups to tell`: so few groups differ that nothing was tested.
- `within retraining noise`: the change is not significant, and no larger than what other seeds alone would change.
- `no difference shown`: none of these, which does not mean that there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipelines.params import Judgement

Verdict = Literal[
    "not comparable",
    "identical",
    "equivalent",
    "improved",
    "regressed",
    "alarm",
    "cannot tell",
    "too few groups",
    "within retraining noise",
    "no difference shown",
]


@dataclass(frozen=True)
class RowGate:
    """What a row of the gate is held to."""

    alarm: float
    to_tell: Callable[[], int | None]  # how many groups would settle a change like this; None: only more seeds would


@dataclass(frozen=True)
class RowFacts:
    """What is known of a row. NaN is a number that does not exist."""

    scores: tuple[float, float]  # of base and head
    change: float
    interval: tuple[float, float]  # at confidence 1 - alpha
    narrow: tuple[float, float]  # at confidence 1 - 2 alpha
    p: float
    p_holm: float
    tests: int  # that p was corrected for
    same: bool  # whether all counts are the same as before
    groups: int  # that have the class
    differing: int  # of those
    least: int  # differing groups for a test
    retraining: float


def verdict_of(found: RowFacts, tested: Judgement, gate: RowGate | None, alpha: float) -> tuple[Verdict, str]:
    """The verdict, and its words; `gate` is None for the rows that do not decide it."""
    if not found.groups:
        return "not comparable", "not comparable: no pixel of it in the ground truth"
    if math.isnan(found.change):
        return "not comparable", "not comparable: undefined in a revision"
    if found.same:
        return "identical", "identical"
    if equivalent(found, tested.tolerance):
        return "equivalent", f"equivalent within ±{tested.tolerance:g}"
    if found.p_holm <= alpha:  # NaN is not
        return ("improved", "improved") if better(found.change, tested) else ("regressed", "regressed")
    if gate is not None and not ruled_out(found, tested, gate.alarm):
        return _undecided(found, tested, gate)
    if gate is None and math.isnan(found.p):
        few = f"{found.differing} differ, {found.least} would be needed"
        return "too few groups", f"too few groups to tell ({few})"
    if abs(found.change) <= found.retraining:
        return "within retraining noise", f"within retraining noise (±{found.retraining:.4f})"
    ruled = f"; a drop of {gate.alarm:g} is ruled out" if gate is not None else ""
    return "no difference shown", "no difference shown" + _why_not(found) + ruled


def equivalent(found: RowFacts, tolerance: float) -> bool:
    """Whether the change is shown to be within the tolerance; by an interval, which a point is not."""
    low, high = found.interval
    return low < high and -tolerance <= low and high <= tolerance  # NaN is not


def better(change: float, tested: Judgement) -> bool:
    """Whether a change is for the better."""
    return (change > 0) == (tested.better == "higher")


def ruled_out(found: RowFacts, tested: Judgement, drop: float) -> bool:
    """Whether a drop this large is ruled out."""
    low, high = found.narrow
    return low > -drop if tested.better == "higher" else high < drop  # NaN is not


def _undecided(found: RowFacts, tested: Judgement, gate: RowGate) -> tuple[Verdict, str]:
    needed = gate.to_tell()
    reason = "the seeds are too far apart, more of them would be needed"
    if needed is not None:
        reason = f"{found.differing} groups differ, about {needed} would be needed"
    if abs(found.change) > gate.alarm and not better(found.change, tested):
        return "alarm", f"cannot tell, but worse by more than {gate.alarm:g} so that a person must look: {reason}"
    return "cannot tell", f"cannot tell: {reason}"


def _why_not(found: RowFacts) -> str:
    """Why an interval without 0 does not suffice."""
    low, high = found.interval
    return f" (p is corrected for {found.tests} tests)" if low > 0 or high < 0 else ""
