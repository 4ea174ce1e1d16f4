"""The states in which the flow `retrain` ends. The flow itself: tests/pipelines/retrain/test_retrain.py."""

from __future__ import annotations

import pytest

from pipelines.flows.retrain import state_of
from pipelines.retrain.retrain import Ended
from pixelproof.core.errors import ExitCode


@pytest.mark.parametrize(
    ("code", "text", "name", "failed"),
    [
        (ExitCode.GOOD, "", "Unchanged", False),
        (ExitCode.GOOD, "text", "Proposed", False),
        (ExitCode.WORSE, "text", "Worse", True),
        (ExitCode.CANNOT_TELL, "text", "AskHuman", False),
    ],
)
def test_each_end_has_a_state(code: ExitCode, text: str, name: str, failed: bool) -> None:
    state = state_of(Ended(code, "said", text))
    assert (state.name, state.is_failed(), state.message) == (name, failed, "said")
