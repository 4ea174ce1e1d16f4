"""The worktree of a retraining: main as it is now, and in it the same commands that a person would type."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import Revision, git
from pipelines.place import MARK, NOT_THE_TREES, Place, own_settings, prepare
from pipelines.processes import Command, end, follow, program, running
from pipelines.retrain.proposal import VERDICTS, Verdict
from pixelproof.core.errors import StateError
from pixelproof.core.times import FOLDER as TIMES

ANNOTATIONS = "data/annotations"
HOOKLESS = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")
SECONDS_IN_AN_HOUR = 3600


@dataclass(frozen=True)
class Tree:
    """A worktree of a commit.

    Attributes:
        home: the folder that it is in.
        base: the commit.
        tell: gets the lines that commands print.
    """

    home: Path
    base: str
    tell: Callable[[str], None]

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.home / "at-work")

    @property
    def seen(self) -> Path:
        """What the server said at the beginning."""
        return self.home / "asked.json"

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.place.tree.absolute()

    def git(self, *arguments: str) -> str:
        """What a git command prints in it."""
        return git("-C", str(self.path), *HOOKLESS, *arguments).decode()

    def make(self) -> None:
        """Make it, or put the base's labels back into that of a killed run; what has run since then stays."""
        with open_repo() as repo:
            settings = own_settings(repo)
        params = Revision(self.base[:8], self.base).read("params.yaml") or ""
        prepare(self.place, self.base, params, settings)
        self.git("reset", "--quiet", self.base)
        self._share_times()
        shutil.rmtree(self.path / ANNOTATIONS, ignore_errors=True)
        (self.path / f"{ANNOTATIONS}.dvc").unlink(missing_ok=True)
        with suppress(CalledProcessError):  # the base has none
            self.git("checkout", "--quiet", self.base, "--", f"{ANNOTATIONS}.dvc")
            self._dvc("pull", f"{ANNOTATIONS}.dvc")

    def _share_times(self) -> None:
        """`plan` and the stages know, and keep, how long stages take on this machine."""
        here, there = TIMES.absolute(), self.path / TIMES
        here.mkdir(parents=True, exist_ok=True)
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.is_symlink():
            there.symlink_to(here)

    def command(self, *words: str, folder: Path | None = None, hours: float | None = None) -> list[str]:
        """Run a command of pixelproof; the last lines it printed.

        Args:
            words: as typed after `pixelproof`.
            folder: where; None for the worktree.
            hours: after which it is ended.

        Raises:
            StateError: it failed, or took longer.
        """
        code, lines = self._run(program("commands", *words), folder or self.path, hours)
        if code:
            raise StateError(f"`pixelproof {words[0]}`", last(lines), "mend that, and run this again")
        return lines

    def _dvc(self, *words: str) -> None:
        code, lines = self._run(program("dvc", *words), self.path)
        if code:
            raise StateError(f"`dvc {words[0]}`", last(lines), "mend that, and run this again")

    def _run(
        self, words: list[str], folder: Path, hours: float | None = None, tell: Callable[[str], None] | None = None
    ) -> tuple[int, list[str]]:
        ours = {name: value for name, value in os.environ.items() if name not in NOT_THE_TREES}
        environment = ours | {MARK: str(self.place.folder.absolute())}
        late = threading.Event()
        with running(Command(words, folder, environment)) as process:

            def stop() -> None:
                late.set()
                end(process)

            clock = threading.Timer(hours * SECONDS_IN_AN_HOUR if hours else threading.TIMEOUT_MAX, stop)
            clock.daemon = True
            clock.start()
            code, lines = follow(process, tell or self.tell)
            clock.cancel()
        if late.is_set():
            fix = "what ended is kept: run this again to go on, or allow more hours"
            raise StateError(f"`{words[4]}`", f"ended after {hours} h, which is all it may take", fix)
        return code, lines

    def commit(self, message: str) -> bool:
        """Make all that differs from the base one commit; False if nothing does."""
        self.git("reset", "--quiet", "--soft", self.base)
        self.git("add", "--all")
        if not self.git("diff", "--cached", "--name-only"):
            return False
        try:
            self.git("commit", "--quiet", "--message", message)
        except CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise StateError("git commit", said, "`git config user.name` and `user.email` for this clone") from None
        return True

    def labelled(self) -> str:
        """What names this version of the labels."""
        return (self.path / f"{ANNOTATIONS}.dvc").read_text(encoding="utf-8")

    def check_hours(self, most: float | None) -> None:
        """See that the stages end in time, as far as that is known.

        Raises:
            StateError: by how long they last took here, they do not.
        """
        if most is None:
            return
        lines: list[str] = []
        code, said = self._run(program("commands", "plan", "--json"), self.path, tell=lines.append)
        if code:
            raise StateError("`pixelproof plan`", last(said), "mend that, and run this again")
        seconds = sum(filter(None, json.loads("\n".join(lines))["seconds"].values()))
        if seconds > most * SECONDS_IN_AN_HOUR:
            found = f"about {seconds / SECONDS_IN_AN_HOUR:.1f} h, by how long they last took here; allowed are {most}"
            raise StateError("the stages that run", found, "allow more hours, or run them on more machines")

    def verdict(self) -> Verdict:
        """Compare with the base, and let the gate judge."""
        words = program("commands", "compare", self.base, "--fail-on", "regression", "--out", str(self._out()))
        code, lines = self._run(words, self.path)
        if code not in VERDICTS:
            raise StateError("`pixelproof compare`", last(lines), "mend that, and run this again")
        return VERDICTS[code]

    def comparison(self) -> str:
        """What was compared, as Markdown."""
        return (self._out() / "comparison.md").read_text(encoding="utf-8")

    def _out(self) -> Path:
        return self.place.folder.absolute() / "comparison"

    def pull_data(self) -> None:
        """Get what the base has of results, so that what new labels do not change need not run."""
        self._dvc("pull", "--allow-missing")

    def push_data(self) -> None:
        """Push what the commit's dvc.lock names: before the branch, so that nobody gets one without its data."""
        self._dvc("push")

    def push_branch(self, name: str) -> None:
        """Push the commit to a branch of its own."""
        try:
            self.git("push", "--quiet", "--no-verify", "origin", f"HEAD:refs/heads/{name}")
        except CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip().replace("\n", " ")[-300:]
            raise StateError(f"git push of {name}", said, "see that this clone may push to `origin`") from None


def last(lines: list[str]) -> str:
    """The line that says what went wrong."""
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["no output"])[-1]
