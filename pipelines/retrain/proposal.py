"""What a retraining proposes: the name of its branch, its commit's message, and the text of its pull request. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pixelproof.core.errors import ExitCode

Verdict = Literal["no regression", "regression", "cannot tell"]
VERDICTS: dict[int, Verdict] = {
    ExitCode.GOOD: "no regression",
    ExitCode.WORSE: "regression",
    ExitCode.CANNOT_TELL: "cannot tell",
}
TRAILER = "Verdict"
PROGRESS = re.compile(r"\d+/\d+(, \S+ left)?$| MB$")
REGRESSION = "-regression"  # marks a branch whose gate is shut
MEANING: dict[Verdict, str] = {
    "no regression": "Validation got no worse: the gate is open.",
    "regression": "Validation got worse: the gate is shut, and no pull request is opened.",
    "cannot tell": "Whether validation got worse cannot be told from these images: **a human has to decide**.",
}


@dataclass(frozen=True)
class Proposal:
    """What was made of new labels.

    Attributes:
        branch: without a mark.
        verdict: of the gate.
        labels: what is new in them, a line each.
    """

    branch: str
    verdict: Verdict
    labels: Sequence[str]

    @property
    def pushed(self) -> str:
        """The branch as it is pushed: marked where the gate is shut."""
        return self.branch + (REGRESSION if self.verdict == "regression" else "")

    @property
    def title(self) -> str:
        """Of the commit and the pull request."""
        doubt = " (a human has to decide)" if self.verdict == "cannot tell" else ""
        return f"Retrain on the labels that were accepted{doubt}"

    def message(self) -> str:
        """The commit's message."""
        lines = [self.title, "", *self.labels, "", f"{TRAILER}: {self.verdict}"]
        return "\n".join(lines) + "\n"

    def text(self, comparison: str, base: str) -> str:
        """The text of the pull request.

        Args:
            comparison: with the base, as Markdown.
            base: the branch that it is for.
        """
        take = ["git fetch origin", f"git switch {self.pushed}", "bin/python -m dvc pull"]
        labels = ["## Labels", "", "```text", *self.labels, "```"]
        lines = [MEANING[self.verdict], "", *labels, "", comparison.strip(), "", "## To look at it", ""]
        lines += ["```sh", *take, "```", "", f"Its data, weights and results are on DVC's remote. It is for `{base}`."]
        return "\n".join(lines) + "\n"


def news(lines: Sequence[str]) -> list[str]:
    """What a command said, without the lines about how far it was.

    Example:
        >>> news(["task-1: 0.1 of 0.1 MB", "photographs 1/2, 0:04 left", "photographs 2/2", "new   2"])
        ['new   2']
    """
    return [line for line in lines if not PROGRESS.search(line)]


def branch_of(annotations: str) -> str:
    """The name of the branch for a version of the labels: the same whenever and wherever it is asked for.

    Args:
        annotations: the content of data/annotations.dvc and what else is labelled.

    Example:
        >>> branch_of("outs: [...]")
        'retrain/6d1236494aa4'
    """
    return f"retrain/{hashlib.sha256(annotations.encode()).hexdigest()[:12]}"


def verdict_in(message: str) -> Verdict:
    """The verdict that a commit's message holds; "cannot tell" where there is none.

    Example:
        >>> verdict_in(Proposal("retrain/1", "regression", ["2 images more"]).message())
        'regression'
    """
    last = message.strip().rpartition("\n")[2]
    return next((verdict for verdict in VERDICTS.values() if last == f"{TRAILER}: {verdict}"), "cannot tell")
