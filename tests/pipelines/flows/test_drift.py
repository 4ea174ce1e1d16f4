"""The flow `drift` on a real server: its state says what came of it, and its table what was measured."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pipelines.flows.drift import state_of
from tests.commands.test_drift import photos, root
from tests.pipelines.conftest import ROOT
from tests.pipelines.flows.conftest import Served

__all__ = ["root"]


def test_its_state_and_its_table(root: Path, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "_register_atexit", lambda *_, **__: None)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    photos(root / "red", 3, share=0.8)
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    from pipelines.flows.drift import drift

    with temporary_settings({PREFECT_API_URL: served.api, PREFECT_API_AUTH_STRING: ":".join(served.login)}):
        state: Any = drift(["red"], "kmeans", return_state=True)
        lost: Any = drift(["nowhere"], "kmeans", return_state=True)
    assert (state.name, state.is_failed()) == ("Drift", True) and "differs" in state.message
    (table,) = served.artifacts(str(state.state_details.flow_run_id))
    assert table["key"] == "drift-kmeans" and "share of tomato" in table["data"]
    assert lost.name == "Failed" and "nowhere: no such file or folder" in lost.message


@pytest.mark.parametrize(
    ("code", "name", "failed"), [(0, "Alike", False), (3, "CannotTell", False), (2, "Failed", True)]
)
def test_each_exit_code_has_a_state(code: int, name: str, failed: bool) -> None:
    state = state_of(code, "said")
    assert (state.name, state.is_failed(), state.message) == (name, failed, "said")
