"""The workflows of GitHub and GitLab: what they may do, and their scripts, run here as they stand in the files."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
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
        for step in job.get("steps", []):
            yield job, step


def script(file: str, name: str) -> str:
    """The script of the step of that name."""
    (found,) = [s["run"] for _, s in steps(load(ROOT / ".github/workflows" / file)) if s.get("name") == name]
    return str(found)


def bash(program: str, cwd: Path, **environment: str) -> str:
    """Run a step's script as GitHub does; what it printed."""
    done = subprocess.run(
        ["bash", "-e", "-c", program], cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_workflows_are_here() -> None:
    assert [path.name for path in FILES] == ["compare.yml", "metrics-fork.yml", "metrics.yml", "test.yml"]
    compare, fork, own, test = map(load, FILES)
    assert {"push", "pull_request"} == set(test["on"])
    assert [step["run"] for _, step in steps(test) if "run" in step] == [".ci/run"]
    assert [set(of["on"]) for of in (compare, fork, own)] == [
        {"workflow_call"},
        {"pull_request_target"},
        {"pull_request"},
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_stranger_s_pull_request_gets_nothing(path: Path) -> None:
    """No permission by default, actions pinned, nothing of a pull request inside a script or checked out."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    for job, step in steps(workflow):
        assert job["timeout-minutes"] <= 60
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            # without a ref in `pull_request`: a merge, for which a fork has no token
            ref = step["with"].pop("ref", None)
            assert ref == ("${{ github.event.pull_request.base.sha }}" if path.name == "compare.yml" else None)
            assert set(step["with"]) <= {"fetch-depth", "persist-credentials"}
            assert step["with"]["persist-credentials"] is False


def test_secrets_are_for_branches_of_this_repository_and_for_one_step() -> None:
    texts = {path.name: path.read_text() for path in FILES}
    assert [name for name, text in texts.items() if "secrets." in text] == ["compare.yml", "metrics.yml"]
    own, fork = (
        load(ROOT / ".github/workflows" / name)["jobs"]["metrics"] for name in ("metrics.yml", "metrics-fork.yml")
    )
    same = "github.event.pull_request.head.repo.full_name {} github.repository"
    assert (own["if"], fork["if"]) == (same.format("=="), same.format("!="))
    assert "secrets" not in fork and "pull_request_target" not in texts["metrics.yml"]
    assert own["uses"] == fork["uses"] == "$/.github/workflows/compare.yml"
    taken = [step.get("name") for _, step in steps(load(FILES[0])) if "secrets." in str(step)]
    assert taken == ["Compare"], "not the step that installs packages, nor the job that writes"
    called = load(FILES[0])["on"]["workflow_call"]["secrets"]
    assert own["secrets"].keys() == called.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


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
        ids = {step["id"] for step in job.get("steps", []) if "id" in step}
        before = {key: part for key, part in job.items() if key not in ("steps", "outputs")}
        found += [f"{name}: {what}" for what in _unknown_names(before, needs, set())]
        found += [f"{name}: {what}" for what in _unknown_names({"outputs": job.get("outputs")}, needs, ids)]
        done: set[str] = set()
        for step in job.get("steps", []):
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
    jobs = load(FILES[0])["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "compare": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    assert not [s for s in jobs["comment"]["steps"] if "checkout" in s.get("uses", "") or ".ci" in s.get("run", "")]
    scripts = [step.get("run", "") for step in jobs["compare"]["steps"]]
    scripts += [path.read_text() for path in (ROOT / ".ci").glob("metrics-*")]
    assert len(scripts) == 3 + len(jobs["compare"]["steps"])
    for text in scripts:  # the fork's commit is fetched and read, never put into the working tree
        assert not re.search(r"git (checkout|switch|reset|worktree|merge |pull|restore)", text)
        assert "--cross-evaluate" not in text, "that would run the fork's code"


def test_the_page_is_kept_before_anything_fails() -> None:
    jobs = load(FILES[0])["jobs"]
    named = [step.get("name") or step["uses"].split("@")[0] for step in jobs["compare"]["steps"]]
    assert named[-2:] == ["actions/upload-artifact", GATE]
    assert jobs["comment"]["if"] == "${{ !cancelled() && needs.compare.outputs.written == 'yes' }}"
    assert jobs["compare"]["outputs"] == {"written": "${{ steps.compare.outputs.written }}"}


def installed() -> list[str]:
    """The packages that the workflow installs for compare."""
    words = (ROOT / ".ci/metrics-install").read_text().replace("\\\n", " ").split()
    return words[words.index("requirements.lock", words.index("pip")) + 1 :]


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


GATE = "The records are true and no metric regressed on validation"


def changed(repo: Path) -> tuple[str, str, str]:
    """The scripts in a repository, as its base, a commit of a branch, and the tip of main, which has gone on."""
    shutil.copytree(ROOT / ".ci", repo / ".ci")
    (repo / ".ci/metrics-install").write_text("#!/bin/sh\n")
    base = commit(repo)
    sh("git", "checkout", "-q", "-b", "topic", cwd=repo)
    (repo / "metrics/unet.json").write_text('{"test": {"mIoU": 0.6, "pixel_accuracy": 0.75}, "val": {"mIoU": null}}')
    sh("dvc", "commit", "-q", "-f", "report", cwd=repo)
    head = commit(repo)
    sh("git", "checkout", "-q", "main", cwd=repo)
    (repo / "metrics/fcn.json").write_text('{"test": {"mIoU": 0.9}}')
    return base, head, commit(repo)


def test_the_comparison_is_with_the_merge_base(repo: Path) -> None:
    base, head, tip = changed(repo)
    summary, outputs = repo / "summary.md", repo / "outputs"
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    bash(script("compare.yml", "Compare"), repo, BASE_SHA=tip, HEAD_SHA=head, **files)
    page = (repo / "comparison/comparison.md").read_text()
    assert "1 better, 0 worse, 5 unchanged" in page.splitlines()[0]
    assert base in page and tip not in page
    assert summary.read_text() == page
    assert outputs.read_text() == "written=yes\n"
    said = bash(script("compare.yml", GATE), repo, HEAD_SHA=head, BLIND="No secrets here.", GITHUB_ACTIONS="true")
    assert "::warning::significance was not computed" in said and "No secrets here." in said, "that is no pass"


def test_gitlab_compares_with_the_code_of_the_target_branch(repo: Path) -> None:
    base, head, _ = changed(repo)
    jobs = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    sh("git", "checkout", "-q", head, cwd=repo)
    (repo / ".ci/metrics-compare").write_text("#!/bin/sh\nexit 1\n")
    program = "\n".join(jobs[".metrics"]["script"])
    where = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_COMMIT_SHA": head}
    for _ in range(2):  # a runner may keep the folder
        done = subprocess.run(
            ["bash", "-e", "-c", program], cwd=repo, env=os.environ | where, capture_output=True, text=True
        )
        assert done.returncode == 3 == jobs[".metrics"]["allow_failure"]["exit_codes"], done.stdout + done.stderr
        assert "warning: significance was not computed" in done.stdout
        (kept,) = jobs[".metrics"]["artifacts"]["paths"]
        assert base in (repo / kept / "comparison.md").read_text()
        shutil.rmtree(repo / "target")


def test_gitlab_gives_a_fork_no_variables() -> None:
    jobs = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    (own,), (fork,) = (jobs[name]["rules"] for name in ("metrics", "metrics of a fork"))
    same = "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID {} $CI_MERGE_REQUEST_PROJECT_ID && "
    assert own["if"].startswith(same.format("==")) and fork["if"].startswith(same.format("!="))
    emptied = {name for name, value in jobs["metrics of a fork"]["variables"].items() if value == ""}
    assert emptied == load(ROOT / ".github/workflows/metrics.yml")["jobs"]["metrics"]["secrets"].keys()
    assert not emptied & jobs["metrics"]["variables"].keys()


def test_a_stale_lock_is_refused(repo: Path) -> None:
    shutil.copytree(ROOT / ".ci", repo / ".ci")
    (repo / "metrics/unet.json").write_text('{"test": {"mIoU": 0.9}}')
    with pytest.raises(AssertionError, match="metrics: modified since report wrote it"):
        bash(script("compare.yml", GATE), repo, HEAD_SHA=commit(repo))


@pytest.mark.parametrize(
    ("code", "why", "left", "said"),
    [
        ("0", "", 0, "not worse"),
        ("1", "", 1, "error: worse on validation"),
        (
            "2",
            "error: --fail-on regression: significance was not computed (unet); x",
            3,
            "warning: significance was not",
        ),
        ("2", "error: topic: without fcn; if that is meant, --allow-missing", 2, "error: topic: without fcn"),
        ("2", "", 2, "error: compare ended with 2"),
        ("3", "", 3, "warning: cannot tell"),
    ],
)
def test_a_regression_fails_the_check(tmp_path: Path, code: str, why: str, left: int, said: str) -> None:
    for folder in (".ci", "bin", "comparison"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / ".ci/metrics-gate", tmp_path / ".ci")
    (tmp_path / "bin/pixelproof").write_text("#!/bin/sh\n[ \"$*\" = 'check topic' ]\n")
    (tmp_path / "bin/pixelproof").chmod(0o755)
    (tmp_path / "comparison/exit-code").write_text(f"{code}\n")
    (tmp_path / "comparison/why.txt").write_text(f"some words\n{why}\n")
    done = subprocess.run([tmp_path / ".ci/metrics-gate", "topic"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.startswith(said)) == (left, True), done.stdout + done.stderr
    step = script("compare.yml", GATE)
    shown = subprocess.run(
        ["bash", "-e", "-c", step],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HEAD_SHA": "topic", "GITHUB_ACTIONS": "true"},
        capture_output=True,
        text=True,
    )
    assert (shown.returncode == 0) == (left in (0, 3)), "cannot tell is a warning"
    assert shown.stdout.startswith({1: "::error::", 2: "::error::", 3: "::warning::"}.get(left, "not worse"))


def test_what_cannot_be_compared_fails_at_once(repo: Path) -> None:
    shutil.copytree(ROOT / ".ci", repo / ".ci")
    (repo / "dvc.lock").write_text("stages: [1]")
    head = commit(repo)
    with pytest.raises(AssertionError, match="not in DVC's format"):
        bash(
            script("compare.yml", "Compare"),
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
    program = script("compare.yml", "Write the comment, or update the one that is there")
    bash(program, tmp_path, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", REPOSITORY="o/r", NUMBER="7")
    asked, *calls = (tmp_path / "gh.log").read_text().splitlines()
    assert asked.startswith(
        'api --paginate repos/o/r/issues/7/comments --jq .[] | select(.user.login == "github-actions'
    )
    assert calls == [call]
    assert (tmp_path / "sent.md").read_text() == "<!-- pixelproof: metrics -->\n### Metrics\n"
