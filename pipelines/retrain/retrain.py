"""`retrain`: labels that were accepted on the CVAT server become a trained network on a branch, judged against main.

Each step finds what an earlier, killed run has done of it: the worktree stays until the end, DVC restores stages that
ended, a training goes on from its checkpoint, and the branch is named by the labels, so that there is no second one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import git
from pipelines.place import end_left, remove
from pipelines.retrain.hosts import open_request
from pipelines.retrain.proposal import REGRESSION, Proposal, branch_of, news, verdict_in
from pipelines.retrain.tree import Tree
from pixelproof.core.errors import ExitCode, StateError
from pixelproof.core.files import write_bytes, write_text

HOME = Path(".pixelproof/retrain")
SEEN = HOME / "seen.json"  # what the server said when a run last ended
Each = Callable[[str, Callable[[], Any]], Any]  # does a step, which it is told the name of
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to retrain on, and how.

    Attributes:
        projects: of the CVAT server.
        tasks: further tasks there.
        branch: the branch of `origin` that the result is for.
        max_hours: how long the stages may take; None for any time.
        jobs: how many stages at once.
        on: the work pool whose machines run them; None for this one.
    """

    projects: tuple[int, ...] = ()
    tasks: tuple[int, ...] = ()
    branch: str = "main"
    max_hours: float | None = None
    jobs: int = 1
    on: str | None = None

    def words(self) -> list[str]:
        """The projects and tasks as arguments."""
        projects = [word for number in self.projects for word in ("--project", str(number))]
        return projects + [word for number in self.tasks for word in ("--task", str(number))]


class Ended(NamedTuple):
    """How it ended: the exit code, a line about it, and the text of the pull request, if something was trained."""

    code: ExitCode
    said: str
    text: str = ""


def plainly(name: str, step: Callable[[], Any]) -> Any:
    """Do a step."""
    return step()


def retrain(asked: Request, tell: Tell = print, each: Each = plainly) -> Ended:
    """Retrain if accepted labels changed, and push what came of it to a branch of its own.

    Args:
        asked: what on, and how.
        tell: gets lines.
        each: does each step; Prefect shows them one by one.

    Returns:
        GOOD: nothing changed, or a pull request is proposed; WORSE: the gate is shut; CANNOT_TELL: a human decides.

    Raises:
        StateError: a step could not be done. What earlier ones did is kept for the next run.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(HOME / "lock", timeout=0):
            end_left(HOME)
            return _retrain(asked, tell, each)
    except Timeout:
        raise StateError(str(HOME), "another `pixelproof retrain` is at work here", "wait for its end") from None


def told(asked: Request) -> ExitCode:
    """Retrain, and print what came of it."""
    code, said, _ = retrain(asked)
    print(said)
    return code


def _retrain(asked: Request, tell: Tell, each: Each) -> Ended:
    base = each("fetch", lambda: fetched(asked.branch))
    tree = Tree(HOME, base, tell)
    if not each("ask the server", lambda: _changed(tree, asked)):
        return Ended(ExitCode.GOOD, "nothing changed: the server says of these tasks what it said last time")
    each("make the worktree", tree.make)
    labels = each("add the labels", lambda: tree.command("cvat", "pull", *asked.words()))
    if not tree.commit("New labels"):
        return _ended(tree, Ended(ExitCode.GOOD, f"nothing changed: {asked.branch} has these labels"))
    branch = branch_of(tree.labelled())
    proposal = pushed(branch)
    if proposal is None:
        each("pull the data", tree.pull_data)
        each("plan", lambda: tree.check_hours(asked.max_hours))
        each("reproduce", lambda: _reproduce(tree, asked))
        verdict = each("compare", tree.verdict)
        proposal = Proposal(branch, verdict, news(labels))
        each("commit", lambda: tree.commit(proposal.message()))
        write_text(_text(proposal), proposal.text(tree.comparison(), asked.branch))
        each("push the data", tree.push_data)
        each("push the branch", lambda: tree.push_branch(proposal.pushed))
    elif not _text(proposal).is_file():  # another clone made it
        write_text(_text(proposal), proposal.text("", asked.branch))
    return _ended(tree, each("propose", lambda: _propose(proposal, asked.branch)))


def fetched(branch: str) -> str:
    """The commit of a branch of `origin` as it is there now.

    Raises:
        StateError: it is not to be had, or there is no remote of DVC to share data by.
    """
    with open_repo() as repo:
        if not repo.config["core"].get("remote"):
            raise StateError("DVC", "no default remote, by which others could get the data", "`dvc remote add -d`")
    ref = f"refs/remotes/origin/{branch}"
    try:
        git("check-ref-format", "--branch", branch)
        git("fetch", "--quiet", "--no-write-fetch-head", "origin", f"+refs/heads/{branch}:{ref}")
    except CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise StateError(f"branch {branch} of origin", said or "not to be had", "see `git remote -v`") from None
    return git("rev-parse", ref).decode().strip()


def _changed(tree: Tree, asked: Request) -> bool:
    """Whether the server says other things of these tasks than when a run last ended."""
    now = tree.seen
    now.parent.mkdir(parents=True, exist_ok=True)
    tree.command("cvat", "status", *asked.words(), "--out", str(now.absolute()), folder=Path())
    return not (SEEN.is_file() and SEEN.read_bytes() == now.read_bytes())


def _reproduce(tree: Tree, asked: Request) -> None:
    where = ("--on", asked.on) if asked.on else ()
    tree.command("reproduce", "--jobs", str(asked.jobs), *where, hours=asked.max_hours)


def pushed(branch: str) -> Proposal | None:
    """What an earlier run pushed of these labels, marked or not."""
    for name in (branch, branch + REGRESSION):
        with suppress(CalledProcessError):  # there is no such branch
            git("fetch", "--quiet", "--no-write-fetch-head", "origin", f"+refs/heads/{name}:refs/remotes/origin/{name}")
            message = git("log", "-1", "--format=%B", f"refs/remotes/origin/{name}").decode()
            labels = message.strip().splitlines()[2:-2]
            return Proposal(branch, verdict_in(message), labels)
    return None


def _text(proposal: Proposal) -> Path:
    """Where the text of the pull request is kept."""
    return HOME / f"{proposal.branch.replace('/', '-')}.md"


def _propose(proposal: Proposal, base: str) -> Ended:
    file = _text(proposal)
    text = file.read_text(encoding="utf-8")
    if proposal.verdict == "regression":
        said = f"validation got worse: {proposal.pushed} is pushed, and no pull request is opened"
        return Ended(ExitCode.WORSE, said, text)
    code = ExitCode.GOOD if proposal.verdict == "no regression" else ExitCode.CANNOT_TELL
    return Ended(code, f"{proposal.pushed} is pushed: {proposal.verdict}; {open_request(proposal, base, file)}", text)


def _ended(tree: Tree, ended: Ended) -> Ended:
    """Note what the server said, so that the next run has nothing to do, and remove the worktree."""
    write_bytes(SEEN, tree.seen.read_bytes())
    remove(tree.place)
    return ended
