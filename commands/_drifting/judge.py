"""Whether new groups of images differ from those that a network can be judged by, and whether that could be seen.

Images of a flight or a street are alike, so a group counts once, by the mean of its images. Each measure is compared
by Student's t-test for two samples of one variance, which needs a spread on one side only and so is possible for a
single new group; p-values are corrected for the number of measures (Holm 1979). Shifts are in standard deviations
between groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelproof.core.errors import ExitCode
from pixelproof.scoring.resampling import holm

ALPHA = 0.05
ALIKE = 2.0  # standard deviations between groups: as far as one group in twenty lies from the others
LEAST = 3  # groups to compare with: two have no spread to speak of
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """How far a measure of new groups lies from what it was.

    Args:
        name: of the measure.
        before: mean of the known groups.
        after: mean of the new ones.
        shift: their difference in standard deviations between groups.
        low: the lower end of its interval, of 95 %.
        high: the upper end.
        p: the corrected p-value of no shift.
    """

    name: str
    before: float
    after: float
    shift: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.low == self.high == 0:  # the same for every group, so it tells nothing
            return "constant"
        if self.p < ALPHA:
            return "differs"
        return "alike" if self.low > -ALIKE and self.high < ALIKE else "cannot tell"


def group_means(values: Floats, groups: Sequence[str]) -> Floats:
    """The mean of each group's rows, in the order of their names.

    Args:
        values: a row for each image, a column for each measure.
        groups: the group of each image.

    Example:
        >>> group_means(np.array([[1.0], [3.0], [5.0]]), ["b", "b", "a"])
        array([[5.],
               [2.]])
    """
    names = sorted(set(groups))
    rows = np.array(groups)
    return np.stack([values[rows == name].mean(axis=0) for name in names])


def shifts(names: Sequence[str], known: Floats, new: Floats) -> list[Shift]:
    """Compare the measures of groups.

    Args:
        names: of the measures.
        known: a row for each known group, a column for each measure.
        new: the same of new groups.
    """
    from scipy.stats import t

    count, more = len(known), len(new)
    freedom = count + more - 2
    squares = ((known - known.mean(axis=0)) ** 2).sum(axis=0) + ((new - new.mean(axis=0)) ** 2).sum(axis=0)
    spread = np.sqrt(squares / freedom)
    same = spread <= 1e-12 * np.abs(known).max(axis=0, initial=1.0)  # constant: nothing, or a shift beyond all measure
    difference = new.mean(axis=0) - known.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.where(np.isclose(difference, 0), 0.0, np.sign(difference) * np.inf)
        moved = np.where(same, beyond, difference / spread)
    error = np.sqrt(1 / count + 1 / more)
    p = holm(2 * t.sf(np.abs(moved) / error, freedom))
    reach = np.where(same, 0.0, t.ppf(1 - ALPHA / 2, freedom) * error)
    means = zip(names, known.mean(axis=0), new.mean(axis=0), moved, moved - reach, moved + reach, p, strict=True)
    return [Shift(name, *map(float, numbers)) for name, *numbers in means]


def verdict(found: Sequence[Shift], decisive: Sequence[str]) -> ExitCode:
    """All of it in one exit code.

    Args:
        found: of every measure.
        decisive: the measures that must be shown to be alike.

    Returns:
        WORSE if one differs; GOOD if none does and the decisive ones are alike (all, where those are constant);
        otherwise CANNOT_TELL.
    """
    said: Mapping[str, str] = {shift.name: shift.verdict for shift in found}
    if "differs" in said.values():
        return ExitCode.WORSE
    telling = [name for name, word in said.items() if word != "constant"]
    wanted = [name for name in telling if name in decisive] or telling
    alike = bool(wanted) and all(said[name] == "alike" for name in wanted)
    return ExitCode.GOOD if alike else ExitCode.CANNOT_TELL
