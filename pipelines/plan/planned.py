"""Prints the plan: each stage that `dvc repro` would not skip, with its reasons, and a summary; or it all as JSON."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import WORKSPACE, flatten, open_revision
from pipelines.plan.hours import Estimate, duration, estimate
from pipelines.plan.plan import Step, plan

NARROWEST, WIDEST = 80, 120  # columns
Estimates = Mapping[str, Estimate]  # of the stages that would or may run


def show(targets: Sequence[str], as_json: bool) -> None:
    """Print what `dvc repro` of the targets (without any: all of dvc.yaml) would run now."""
    with open_repo() as repo, repo.lock:
        steps = plan(repo, targets)
        remote = repo.config["core"].get("remote")
    params = flatten(open_revision(WORKSPACE).mapping("params.yaml") or {})
    estimates = {step.stage: estimate(step.stage, params) for step in steps if step.action in ("runs", "may run")}
    if as_json:
        print(json.dumps(as_data(steps, estimates), indent=2, ensure_ascii=False))
        return
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    print(*lines_of(steps, estimates, width), *summary(steps, estimates, remote, width), sep="\n")


def as_data(steps: Sequence[Step], estimates: Estimates) -> dict[str, Any]:
    """The plan for other programs: every stage, including those that are up to date."""
    stages = []
    for step in steps:
        time = estimates.get(step.stage, Estimate(None))
        about = {"seconds": time.seconds, "note": time.note}
        stages.append({"stage": step.stage, "action": step.action, "reasons": list(step.reasons), **about})
    return {"stages": stages, "seconds": {action: total(steps, estimates, action) for action in ("runs", "may run")}}


def total(steps: Sequence[Step], estimates: Estimates, action: str) -> float | None:
    """The seconds of those stages whose time is known; None if there are stages, and none was timed."""
    times = [estimates[step.stage].seconds for step in steps if step.action == action]
    known = [seconds for seconds in times if seconds is not None]
    return sum(known) if known or not times else None


def lines_of(steps: Sequence[Step], estimates: Estimates, width: int) -> list[str]:
    """Each stage, what would be done and how long that takes; below it, a line for each reason."""
    shown = [step for step in steps if step.action != "up to date"]
    column = max((len(step.stage) for step in shown), default=0)
    lines = []
    for step in shown:
        head = f"{step.stage:<{column}}  {step.action:<8}  {estimates.get(step.stage, '')}".rstrip()
        why = [line for reason in step.reasons for line in wrapped(reason, width - 4)]
        lines += [*wrapped(head, width), *(f"    {line}" for line in why)]
    return lines


def summary(steps: Sequence[Step], estimates: Estimates, remote: str | None, width: int) -> list[str]:
    """How many stages would run, for how long, and what could be done instead."""
    stages = [step for step in steps if not step.stage.endswith(".dvc")]
    count = Counter(step.action for step in stages)
    rest = [f"{count['may run']} may"] if count["may run"] else []
    rest += [f"{count['restored']} would be restored"] if count["restored"] else []
    rest += [f"{count['waits']} {'waits' if count['waits'] == 1 else 'wait'}"] if count["waits"] else []
    sentences = [", ".join([f"{count['runs'] or 'None'} of {len(stages)} stages would run", *rest])]
    if estimates:
        sentences.append(how_long(steps, estimates))
    if stop := next((step.stage for step in steps if step.action == "stops"), None):
        sentences.append(f"`dvc repro` would stop at {stop}")
    if remote and any("not in DVC's cache" in reason for step in stages for reason in step.reasons):
        sentences.append(f"`dvc pull` may fetch what is missing from the remote {remote!r}, so that fewer run")
    return wrapped(". ".join(sentences) + ".", width)


def how_long(steps: Sequence[Step], estimates: Estimates) -> str:
    """The time of what would run, and of all that may run, one stage after another."""
    sure, may = (total(steps, estimates, action) or 0.0 for action in ("runs", "may run"))
    untimed = sum(time.seconds is None for time in estimates.values())
    if untimed == len(estimates):
        return "How long that takes is unknown: none of them was timed on this machine"
    times = [f"about {duration(sure)}"] if sure else []
    if duration(sure + may) != duration(sure) or not sure:
        times.append(f"{duration(sure + may)} with those that may")
    rest = f", and {untimed} that {'was' if untimed == 1 else 'were'} not timed here" if untimed else ""
    return f"As they last took on this machine: {', '.join(times)}{rest}"


def wrapped(text: str, width: int) -> list[str]:
    """A text as lines, broken between words."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
