"""The certificate's facts, by hand: metrics judged, locks compared, a processor read."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest

from pipelines.dvc.lock import Difference, DvcLock, differences, digest, params_of, parse_lock, rests_on
from pipelines.verify.certificate import Judged, judge, verdict
from pipelines.verify.machine import describe, installed


@pytest.mark.parametrize(
    ("committed", "rebuilt", "outcome", "apart"),
    [
        (0.5, 0.5, "identical", 0.0),
        (1, 1.0, "identical", 0.0),
        (0.5, 0.52, "within tolerance", 0.02),
        (0.5, 0.521, "different", 0.021),
        (None, None, "identical", None),
        (math.nan, math.nan, "identical", None),
        (None, 0.0, "different", None),
        (1, True, "different", None),
        (0.5, "0.5", "different", None),
        (0.5, math.nan, "different", None),
        ([1, 2], [1, 2], "identical", None),
    ],
)
def test_each_metric_is_judged_by_its_kind(committed: Any, rebuilt: Any, outcome: str, apart: float | None) -> None:
    (row,) = judge({"unet": {"test.mIoU": committed}}, {"unet": {"test.mIoU": rebuilt}}, 0.0200001)
    assert (row.outcome, row.apart) == (outcome, apart if apart is None else pytest.approx(apart))


def test_what_one_side_lacks_is_missing_or_new_and_never_null() -> None:
    rows = judge({"unet": {"a": None}, "fcn": {"a": 1}}, {"unet": {"b": None}, "fcn": {"a": 1}}, 0)
    assert [(row.architecture, row.metric, row.outcome) for row in rows] == [
        ("fcn", "a", "identical"),
        ("unet", "a", "missing"),
        ("unet", "b", "new"),
    ]


@pytest.mark.parametrize(
    ("outcomes", "stale", "rebuilt", "restored"),
    [
        (["identical"], False, "identical", "identical"),
        (["identical", "within tolerance"], False, "within tolerance", "within tolerance"),
        (["within tolerance", "missing"], False, "different", "different"),
        (["identical", "new"], False, "different", "different"),
        (["identical"], True, "identical", "stale"),  # a rebuild of the tree itself does not need dvc.lock
    ],
)
def test_the_verdict_is_the_worst_of_all(outcomes: list[str], stale: bool, rebuilt: str, restored: str) -> None:
    rows = [Judged("unet", "a", 0.1, 0.1, outcome, 0.0) for outcome in outcomes]
    assert (verdict(rows, "rebuilt", stale), verdict(rows, "restored", stale)) == (rebuilt, restored)


def entry(path: str, md5: str) -> dict[str, str]:
    return {"path": path, "md5": md5}


def lock(weights: str = "w", code: str = "c", **params: Any) -> DvcLock:
    """Two stages: one trains from data that git keeps, one reads a file of what the first wrote."""
    return parse_lock({"stages": stages(weights, code, **params)}, "v1")


def stages(weights: str = "w", code: str = "c", **params: Any) -> dict[str, dict[str, Any]]:
    return {
        "train": {
            "cmd": "train",
            "deps": [entry("examples", "e"), entry("pretrained", "p"), entry("stages/train.py", code)],
            "params": {"params.yaml": {"seed": 0, "train": {"lr": 0.1} | params}},
            "outs": [entry("models/unet", weights)],
        },
        "report": {
            "cmd": "report",
            "deps": [entry("models/unet/weights", weights), entry("tool.py", "t")],
            "outs": [entry("reports", "r"), entry("data/card", "d")],
        },
    }


def test_locks_are_compared_stage_by_stage() -> None:
    assert differences(lock(), lock()) == {"train": [], "report": []}
    assert differences(lock(), lock(weights="x")) == {
        "train": [Difference("output", "models/unet")],
        "report": [Difference("input", "models/unet/weights")],  # of a stage, so no sign of a stale lock
    }
    assert differences(lock(), lock(code="x", lr=0.2, warmup=None))["train"] == [
        Difference("param", "train.lr"),
        Difference("param", "train.warmup"),
        Difference("source", "stages/train.py"),
    ]
    changed = stages()
    changed["train"]["cmd"] = "train --again"
    changed["measure"] = changed.pop("report")
    found = differences(lock(), parse_lock({"stages": changed}, "v2"))
    assert {name: [str(difference) for difference in each] for name, each in found.items()} == {
        "train": ["command"],
        "measure": ["stage not in the committed dvc.lock"],
    }


def test_a_difference_that_git_keeps_makes_a_lock_stale() -> None:
    found = [difference for each in differences(lock(), lock(weights="x", code="y")).values() for difference in each]
    assert [str(difference) for difference in found if difference.stale] == ["source stages/train.py"]


def test_what_the_metrics_rest_on_is_sorted_by_what_it_is() -> None:
    basis = rests_on(lock(), lock(weights="x"))
    assert {role: [(e["path"], e["hash"], e["as committed"]) for e in files] for role, files in basis.items()} == {
        "data": [("data/card", "d", True), ("examples", "e", True)],
        "weights": [("models/unet", "x", False), ("pretrained", "p", True)],
        "code": [("stages/train.py", "c", True), ("tool.py", "t", True)],
        "results": [("reports", "r", True)],
    }
    assert params_of(lock()) == {"seed": 0, "train.lr": 0.1}
    assert digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a": 2, "b": 1}').hexdigest()


def test_the_machine_has_no_name() -> None:
    assert describe({"device": "cpu", "threads": 2}).keys() == {
        "processor",
        "instructions",
        "cores",
        "threads",
        "device",
        "system",
    }
    assert installed(["no-such-package"]) == {"no-such-package": None}
