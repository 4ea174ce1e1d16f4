"""The workflows of GitHub: what they may do, and their scripts, run here as they stand in the files."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.pipelines.conftest import ROOT, commit, sh

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))


def load(path: Path) -> dict[str, Any]:
    """A workflow, under the names that GitHub reads: YAML 1.1 takes a bare `on` for true."""
    content = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in content.items()}


def steps(workflow: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            yield job, step


def script(file: str, name: str) -> str:
    """The script of the step of that name."""
    (found,) = [s["run"] for _, s in steps(load(ROOT / ".github/workflows" / file)) if s.get("name") == name]
    return str(found)


def bash(program: str, cwd: Path, **environment: str) -> None:
    """Run a step's script as GitHub does."""
    done = subprocess.run(
        ["bash", "-e", "-c", program], cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_workflows_are_here() -> None:
    assert [path.name for path in FILES] == ["metrics.yml", "test.yml"]
    test, metrics = (load(ROOT / ".github/workflows" / name) for name in ("test.yml", "metrics.yml"))
    assert {"push", "pull_request"} == set(test["on"])
    assert [step["run"] for _, step in steps(test) if "run" in step] == [".ci/run"]
    assert set(metrics["on"]) == {"pull_request_target"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_stranger_s_pull_request_gets_nothing(path: Path) -> None:
    """No permission by default, no secret, actions pinned, nothing of a pull request inside a script."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    assert "secrets." not in path.read_text()
    for job, step in steps(workflow):
        assert job["timeout-minutes"] <= 60
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            # without a ref: the target branch's code in pull_request_target, a tokenless merge in pull_request
            assert set(step["with"]) <= {"fetch-depth", "persist-credentials"}
            assert step["with"]["persist-credentials"] is False


CONTEXTS = {"github", "env", "vars", "job", "steps", "runner", "secrets", "strategy", "matrix", "needs", "inputs"}
FUNCTIONS = {"contains", "startsWith", "endsWith", "format", "join", "toJSON", "fromJSON", "hashFiles"}
FUNCTIONS |= {"success", "always", "cancelled", "failure", "true", "false", "null"}


def mistakes(workflow: dict[str, Any]) -> list[str]:
    """What a schema cannot see: names of jobs, steps and contexts that are not there, scripts that bash cannot read."""
    found = []
    for name, job in workflow["jobs"].items():
        needs = job.get("needs", [])
        needs = {needs} if isinstance(needs, str) else set(needs)
        found += [f"{name}: needs {other}, which is no job" for other in sorted(needs - workflow["jobs"].keys())]
        ids = {step["id"] for step in job["steps"] if "id" in step}
        before = {key: part for key, part in job.items() if key not in ("steps", "outputs")}
        found += [f"{name}: {what}" for what in _unknown_names(before, needs, set())]
        found += [f"{name}: {what}" for what in _unknown_names({"outputs": job.get("outputs")}, needs, ids)]
        done: set[str] = set()
        for step in job["steps"]:
            found += [f"{name}: {what}" for what in _unknown_names(step, needs, done)]
            done |= {step["id"]} if "id" in step else set()
            script = re.sub(r"\$\{\{.*?\}\}", "expression", step.get("run", ""), flags=re.DOTALL)
            parsed = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
            found += [f"{name}: {parsed.stderr.strip()}"] if parsed.returncode else []
    return found


def _unknown_names(part: dict[str, Any], needs: set[str], done: set[str]) -> list[str]:
    """Of every expression in a job or a step; `if` is one without braces."""
    texts = re.findall(r"\$\{\{(.*?)\}\}", yaml.safe_dump(part, width=10**6), flags=re.DOTALL)
    texts += [str(part["if"])] if "if" in part and "${{" not in str(part["if"]) else []
    found = []
    for text in (re.sub(r"'[^']*'", "''", text) for text in texts):
        for path in re.findall(r"(?<![\w.])[A-Za-z_][\w-]*(?:\.[\w*-]+)*", text):
            first, *rest = path.split(".")
            known = {"needs": needs, "steps": done}.get(first)
            if first not in CONTEXTS | FUNCTIONS or (known is not None and rest[:1] and rest[0] not in known):
                found.append(f"{path} is not known there")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_workflow_names_is_there(path: Path) -> None:
    assert mistakes(load(path)) == []


def test_a_name_that_is_not_there_is_found() -> None:
    text = """
    on: push
    jobs:
      one: {steps: [{id: a, run: "echo '${{ steps.a.outputs.x }}'"}, {run: "echo ${{ githup.sha }}"}]}
      two:
        needs: [one, three]
        if: needs.one.result == 'success' && needs.four.result != 'needs.five'
        steps: [{id: a, run: "echo ${{ hashfiles('x') }}"}, {run: "if then ${{ steps.a.outputs.x }}"}]
    """
    assert [line.split(": line")[0].split(": bash")[0] for line in mistakes(yaml.safe_load(text))] == [
        "one: steps.a.outputs.x is not known there",  # a step does not see itself
        "one: githup.sha is not known there",
        "two: needs three, which is no job",
        "two: needs.four.result is not known there",
        "two: hashfiles is not known there",
        "two",  # bash's own words
    ]


def test_no_job_both_reads_the_pull_request_and_writes() -> None:
    jobs = load(ROOT / ".github/workflows/metrics.yml")["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "compare": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert not [s for s in jobs["comment"]["steps"] if "checkout" in s.get("uses", "") or "python" in s.get("run", "")]
    for step in jobs["compare"]["steps"]:  # the fork's commit is fetched and read, never put into the working tree
        assert not re.search(r"git (checkout|switch|reset|worktree|merge |pull|restore)", step.get("run", ""))


def test_the_lock_and_the_regression_are_refused_and_the_comment_is_written_all_the_same() -> None:
    jobs = load(ROOT / ".github/workflows/metrics.yml")["jobs"]
    named = [step.get("name") or step["uses"].split("@")[0] for step in jobs["compare"]["steps"]]
    assert named[-3:] == [
        "actions/upload-artifact",
        "dvc.lock matches its params and code",
        "Not worse on validation",
    ], "the page is kept before anything fails"
    assert jobs["comment"]["if"] == "${{ !cancelled() && needs.compare.outputs.written == 'yes' }}"
    assert jobs["compare"]["outputs"] == {"written": "${{ steps.compare.outputs.written }}"}
    assert "--cross-evaluate" not in script("metrics.yml", "Compare"), "that would run the fork's code"


def installed() -> list[str]:
    """The packages that the workflow installs for compare."""
    (install,) = [s["run"] for _, s in steps(load(FILES[0])) if s.get("name", "").startswith("Install")]
    words = install.split()
    return list(words[words.index("requirements.lock") + 1 :])


def test_what_the_workflow_installs_is_pinned_and_no_torch() -> None:
    pinned = {line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert set(installed()) <= pinned
    assert "torch" not in with_dependencies(installed())


def with_dependencies(names: list[str]) -> set[str]:
    """The packages that pip would install with these, each by every spelling of its name."""
    waiting, seen = [Requirement(name) for name in names], set[str]()
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if not {name, *(f"{name}[{extra}]" for extra in wanted.extras)} <= seen:
            seen |= {name, *(f"{name}[{extra}]" for extra in wanted.extras)}
            asked = [Requirement(text) for text in importlib.metadata.requires(name) or []]
            extras = wanted.extras or {""}
            waiting += [r for r in asked if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras)]
    return {name.replace("-", mark) for name in seen for mark in "-_."}


def test_the_comparison_is_with_the_merge_base(repo: Path) -> None:
    base = commit(repo)
    sh("git", "checkout", "-q", "-b", "topic", cwd=repo)
    (repo / "metrics/unet.json").write_text('{"test": {"mIoU": 0.6, "pixel_accuracy": 0.75}, "val": {"mIoU": null}}')
    head = commit(repo)
    sh("git", "checkout", "-q", "main", cwd=repo)
    (repo / "metrics/fcn.json").write_text('{"test": {"mIoU": 0.9}}')
    tip = commit(repo)
    summary, outputs = repo / "summary.md", repo / "outputs"
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    bash(script("metrics.yml", "Compare"), repo, BASE_SHA=tip, HEAD_SHA=head, **files)
    page = (repo / "comparison/comparison.md").read_text()
    assert "1 better, 0 worse, 5 unchanged" in page.splitlines()[0]
    assert base in page and tip not in page
    assert summary.read_text() == page
    assert outputs.read_text() == "written=yes\ncode=2\n", "no matrices: the gate is none, and that is no pass"
    with pytest.raises(AssertionError, match="metrics: modified since report wrote it"):
        bash(script("metrics.yml", "dvc.lock matches its params and code"), repo, HEAD_SHA=head)
    bash(script("metrics.yml", "dvc.lock matches its params and code"), repo, HEAD_SHA=base)


@pytest.mark.parametrize(
    ("code", "refused", "said"),
    [
        ("0", False, "not worse"),
        ("1", True, "::error::"),
        ("2", False, "::warning::sig"),
        ("3", False, "::warning::cannot tell"),
    ],
)
def test_a_regression_fails_the_check(tmp_path: Path, code: str, refused: bool, said: str) -> None:
    program = script("metrics.yml", "Not worse on validation")
    done = subprocess.run(["bash", "-e", "-c", program], env={"CODE": code}, capture_output=True, text=True)
    assert (done.returncode != 0) == refused
    assert done.stdout.startswith(said)


def test_what_cannot_be_compared_fails_at_once(repo: Path) -> None:
    (repo / "dvc.lock").write_text("stages: [1]")
    head = commit(repo)
    with pytest.raises(AssertionError, match="not in DVC's format"):
        bash(
            script("metrics.yml", "Compare"),
            repo,
            BASE_SHA=head,
            HEAD_SHA=head,
            GITHUB_STEP_SUMMARY="s",
            GITHUB_OUTPUT="o",
        )
    assert not (repo / "o").exists()


GH = """#!/usr/bin/env bash
echo "$@" >> gh.log
for argument; do
    if [ "$argument" = --paginate ]; then cat ids.txt; fi
    if [ "$argument" = body=@comment.md ]; then cp comment.md sent.md; fi
done
"""


@pytest.mark.parametrize(
    ("ids", "call"),
    [
        ("", "api --silent --method POST repos/o/r/issues/7/comments -F body=@comment.md"),
        ("41\n42\n", "api --silent --method PATCH repos/o/r/issues/comments/41 -F body=@comment.md"),
    ],
    ids=["first time", "again"],
)
def test_one_comment_is_written_then_updated(tmp_path: Path, ids: str, call: str) -> None:
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    (tmp_path / "ids.txt").write_text(ids)
    (tmp_path / "comparison.md").write_text("### Metrics\n")
    program = script("metrics.yml", "Write the comment, or update the one that is there")
    bash(program, tmp_path, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", REPOSITORY="o/r", NUMBER="7")
    asked, *calls = (tmp_path / "gh.log").read_text().splitlines()
    assert asked.startswith(
        'api --paginate repos/o/r/issues/7/comments --jq .[] | select(.user.login == "github-actions'
    )
    assert calls == [call]
    assert (tmp_path / "sent.md").read_text() == "<!-- pixelproof: metrics -->\n### Metrics\n"
