"""What a retraining proposes, and how hosts are asked to open it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.retrain.hosts import open_request
from pipelines.retrain.proposal import VERDICTS, Proposal, Verdict, verdict_in
from pixelproof.core.errors import StateError
from tests.pipelines.retrain.place import gh


def proposal(verdict: Verdict) -> Proposal:
    return Proposal("retrain/0123", verdict, ["new  2"])


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """An environment in which a command of a host is this shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": str(folder), "GITLAB_TOKEN": "secret"}


@pytest.mark.parametrize("verdict", VERDICTS.values())
def test_the_message_says_the_verdict_again(verdict: Verdict) -> None:
    made = proposal(verdict)
    assert verdict_in(made.message()) == verdict
    assert made.pushed.endswith("-regression") == (verdict == "regression")
    text = made.text("### Comparison", "main")
    assert ("a human has to decide" in text) == (verdict == "cannot tell")
    assert ("the gate is shut" in text) == (verdict == "regression")
    assert "```text\nnew  2\n```" in text and "### Comparison" in text and f"git switch {made.pushed}\n" in text


def test_a_verdict_in_the_middle_of_a_message_is_none() -> None:
    assert verdict_in("Verdict: no regression\n\nand more\n") == "cannot tell"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.md"
    file.write_text("What was made.\n")
    return file


def test_a_pull_request_is_opened_once(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = gh(tmp_path)
    monkeypatch.setenv("PATH", environ["PATH"])
    first, second = (open_request(proposal("no regression"), "main", text, environ) for _ in range(2))
    assert (first, second) == (
        "opened its pull request: https://example.org/pull/1",
        "its pull request is https://example.org/pull/1",
    )
    assert (tmp_path / "text").read_text() == "What was made.\n"
    assert (tmp_path / "asked").read_text().count("pr create") == 1


def test_without_a_token_or_a_program_a_person_is_told(text: Path) -> None:
    nothing = open_request(proposal("no regression"), "main", text, {"PATH": ""})
    no_program = open_request(proposal("no regression"), "main", text, {"PATH": "", "GITLAB_TOKEN": "x"})
    assert "with GH_TOKEN or GITLAB_TOKEN in the environment" in nothing and str(text) in nothing
    assert "there is a token, but no `glab` here" in no_program


def test_gitlab_is_given_the_text_itself(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = program(tmp_path, "glab", f'echo "$@" >> {tmp_path}/asked; [ "$2" = create ] || echo "[]"')
    monkeypatch.setenv("PATH", environ["PATH"])
    open_request(proposal("no regression"), "main", text, environ)
    asked = (tmp_path / "asked").read_text()
    assert "mr create --source-branch retrain/0123 --target-branch main --title Retrain" in asked
    assert "--description What was made." in asked


def test_what_a_host_refuses_is_one_line(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = program(tmp_path, "glab", "echo 401 Unauthorized >&2; exit 1")
    monkeypatch.setenv("PATH", environ["PATH"])
    with pytest.raises(StateError, match=r"^`glab mr list`: ended with 1: 401 Unauthorized; the branch is pushed"):
        open_request(proposal("no regression"), "main", text, environ)
