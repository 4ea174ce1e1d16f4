"""Opens pull requests by the command of the host: `gh` for GitHub, `glab` for GitLab, where a token of it is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.retrain.proposal import Proposal
from pixelproof.core.errors import StateError


@dataclass(frozen=True)
class Host:
    """How a host's command is called.

    Attributes:
        program: its name.
        tokens: the variables of the environment of which one holds its token.
        found: its arguments that list pull requests of a branch as JSON.
        opened: its arguments that open one.
    """

    program: str
    tokens: tuple[str, ...]
    found: tuple[str, ...]
    opened: tuple[str, ...]


HOSTS = (
    Host(
        "gh", ("GH_TOKEN", "GITHUB_TOKEN"),
        ("pr", "list", "--head", "{branch}", "--state", "all", "--json", "url"),
        ("pr", "create", "--head", "{branch}", "--base", "{base}", "--title", "{title}", "--body-file", "{file}"),
    ),
    Host(
        "glab", ("GITLAB_TOKEN",),
        ("mr", "list", "--source-branch", "{branch}", "--all", "--output", "json"),
        ("mr", "create", "--source-branch", "{branch}", "--target-branch", "{base}", "--title", "{title}",
         "--description", "{text}", "--yes"),
    ),
)  # fmt: skip


def open_request(proposal: Proposal, base: str, file: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Open the pull request of a pushed branch, unless there is one.

    Args:
        proposal: what it is for.
        base: the branch into which.
        file: its text.
        environ: where a token may be.

    Returns:
        A line about it.

    Raises:
        StateError: the host's command failed.
    """
    host = next((host for host in HOSTS if any(environ.get(name) for name in host.tokens)), None)
    by_hand = f"open the pull request of {proposal.pushed} with the text in {file}"
    if host is None:
        return f"{by_hand}; with GH_TOKEN or GITLAB_TOKEN in the environment, it opens by itself"
    if shutil.which(host.program, path=environ.get("PATH")) is None:
        return f"{by_hand}: there is a token, but no `{host.program}` here"
    values = {"branch": proposal.pushed, "base": base, "title": proposal.title, "file": str(file)}
    values["text"] = file.read_text(encoding="utf-8")
    if there := _asked(host, _filled(host.found, values)):
        return f"its pull request is {there}"
    _called(host, _filled(host.opened, values))
    return f"opened its pull request: {_asked(host, _filled(host.found, values)) or 'see the host'}"


def _filled(arguments: Sequence[str], values: Mapping[str, str]) -> list[str]:
    return [values[word[1:-1]] if word.startswith("{") else word for word in arguments]


def _asked(host: Host, arguments: Sequence[str]) -> str:
    """The address of the branch's pull request; empty if there is none."""
    answer = _called(host, arguments)
    try:
        found = json.loads(answer or "[]")
    except ValueError:
        raise StateError(f"`{host.program}`", f"expected JSON, found {answer[:80]!r}", "update it") from None
    return str(found[0].get("url") or found[0].get("web_url")) if found else ""


def _called(host: Host, arguments: Sequence[str]) -> str:
    """What the host's command prints."""
    done = subprocess.run([host.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        what = f"`{host.program} {' '.join(arguments[:2])}`"
        said = " ".join((done.stderr or done.stdout).split())[:300] or "no output"
        raise StateError(what, f"ended with {done.returncode}: {said}", "the branch is pushed: run this again")
    return done.stdout
