"""Runs one stage for a run elsewhere: its commit in a worktree, its inputs alone, and all that it made pushed.

Only then is its entry of dvc.lock given back, on DVC's remote under the key of its inputs. A second run of the same
key, such as that of a machine that was thought lost, finds it there, or must have made the same.

`python -m pipelines.machines.perform FILE` runs the one that a JSON file describes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipelines.dvc.graph import collect, open_repo
from pipelines.dvc.revision import Revision, git
from pipelines.machines.entries import put_entries, read_entries
from pipelines.machines.job import Job, Result, inside
from pipelines.machines.lease import gpus, leased
from pipelines.machines.shelf import Shelf
from pipelines.place import MARK, NOT_THE_TREES, Place, end_left, own_settings, prepare, remove
from pixelproof.core.errors import ExitCode, StateError, run_main
from pixelproof.core.files import files_below
from pixelproof.core.machine import machine

CLONE = "PIXELPROOF_CLONE"  # in the environment of a worker: the folder of its clone
HOME = Path(".pixelproof/jobs")
REFS = "refs/pixelproof"  # where the git remote has commits that no branch of it has
CHECKPOINTS = Path(".pixelproof/checkpoints")  # where trainings save, in their clone
SECONDS_BETWEEN_CHECKPOINTS = 30
STAGE = r"[\w./-]+(@[\w./-]+)?"
LOST = 75  # the exit code of a stage that something else has ended (EX_TEMPFAIL)
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP}
EXITED = re.compile(r"exited with (-?\d+)")


class IrreproducibleError(StateError):
    """Two runs from the same inputs made different outputs."""


class LostError(StateError):
    """Something outside the stage ended it: this machine is shut down, or has too little memory."""


def perform(job: Job) -> Result:
    """Run the stage, or find what another run of the same key has made.

    Args:
        job: what to run; this folder is a clone of the repository that its commit is of.

    Raises:
        StateError: the stage failed; or its commit, an input or the remote is not to be had; or what came out is not
            what another run made.
    """
    check(job)
    place = Place(HOME / job.key[:16])
    HOME.mkdir(parents=True, exist_ok=True)
    with FileLock(HOME / f"{job.key[:16]}.lock"):
        end_left(place.folder)
        with open_repo() as repo:
            settings = own_settings(repo)
        _have(job.commit)
        _check_packages(job.commit)
        params = git("show", f"{job.commit}:params.yaml").decode()
        with FileLock(HOME / "git.lock"):
            prepare(place, job.commit, params, settings)
        tree = place.tree.absolute()
        with contextlib.chdir(tree), open_repo() as repo:
            shelf = Shelf(repo.cloud.get_remote(), job.key)
            result = shelf.result() or _Performed(job, tree, shelf).run(repo)
        with FileLock(HOME / "git.lock"):
            remove(place)
        return result


def check(job: Job) -> None:
    """See that a job, which came over the network, names what it says: its key becomes a folder's name.

    Raises:
        StateError: it does not.
    """
    shapes = {"key": (r"[0-9a-f]{64}", job.key), "commit": (r"[0-9a-f]{40}", job.commit), "stage": (STAGE, job.stage)}
    for name, (shape, value) in shapes.items():
        if not re.fullmatch(shape, value):
            raise StateError("a job", f"its {name} is {value[:80]!r}", "send it with `reproduce --on`")
    for path in job.inputs:
        if not inside(path):
            raise StateError("a job", f"its input {path[:80]!r} is outside the clone", "send it with `reproduce --on`")


def _have(commit: str) -> None:
    """Fetch the commit from the git remote that this clone is of, unless it is here."""
    for refs in ([], ["--no-write-fetch-head", "origin"], ["--no-write-fetch-head", "origin", f"{REFS}/{commit}"]):
        if refs:
            with suppress(subprocess.CalledProcessError), FileLock(HOME / "git.lock"):
                git("fetch", "--quiet", *refs)
        with suppress(subprocess.CalledProcessError):
            git("cat-file", "-e", f"{commit}^{{commit}}")
            return
    raise StateError(f"commit {commit[:8]}", "the git remote `origin` of this clone has it not", "see `git remote -v`")


def _check_packages(commit: str) -> None:
    """The packages that are installed here must be those of the commit.

    Raises:
        StateError: they are others.
    """
    wanted = Revision(commit[:8], commit).read("requirements.lock")
    here = Path("requirements.lock")
    if wanted is not None and here.is_file() and here.read_text(encoding="utf-8") != wanted:
        fix = f"on this worker: `git checkout {commit[:8]} && bin/setup`"
        raise StateError("requirements.lock", f"that of commit {commit[:8]} names other packages", fix)


@dataclass(frozen=True)
class _Performed:
    """A stage, in its worktree."""

    job: Job
    tree: Path
    shelf: Shelf

    def run(self, repo: Any) -> Result:
        """Pull, run, push, and keep the result; in the worktree, whose DVC is open."""
        put_entries(self.tree, self.job.entries)
        repo._reset()  # it may have read the lock before
        with _timed(self.job.stage, "pulled"):
            self._pull(repo)
            self._fetch_checkpoints()
        with self._checkpoints_kept(), leased(self.job.stage, gpus() if self.job.computes else []) as device:
            self._repro(repo, device)
        (stage,) = collect(repo, self.job.stage)
        cached = [str(self.tree / out.def_path) for out in stage.outs if out.use_cache]
        uncached = [self.tree / out.def_path for out in stage.outs if not out.use_cache]
        with _timed(self.job.stage, "pushed"):
            if cached:
                _in_one_line(lambda: repo.push(targets=cached), "push to the remote")
            result = Result(read_entries(self.tree)[self.job.stage], self._contents(uncached), machine())
            self._keep(result)
        return result

    def _pull(self, repo: Any) -> None:
        """Get the inputs that DVC keeps, and nothing else of its data; the others are files of the commit."""
        outs = [out.fs_path for stage in repo.index.stages for out in stage.outs if out.use_cache]
        deps = [str(self.tree / path) for path in self.job.inputs]
        wanted = {dep for dep in deps if any(f"{dep}/".startswith(f"{out}/") for out in outs)}
        wanted |= {out for out in outs if any(out.startswith(f"{dep}/") for dep in deps)}
        if wanted:
            _in_one_line(lambda: repo.fetch(targets=sorted(wanted)), "pull from the remote")
            _in_one_line(lambda: repo.checkout(targets=sorted(wanted), force=True), "check out the inputs")

    def _repro(self, repo: Any, device: dict[str, str]) -> None:
        """Let DVC run it in this process, which is here for this alone: to start another would take a second."""
        from dvc.exceptions import ReproductionError

        for name in NOT_THE_TREES:
            os.environ.pop(name, None)
        os.environ |= {MARK: str(self.tree.parent), **device}
        try:
            repo.reproduce([self.job.stage], single_item=True)
        except ReproductionError as error:
            if by := killed_by(str(error.__cause__)):
                raise LostError(self.job.stage, f"its process was ended by {by}", "it is sent again") from error
            raise

    def _contents(self, outs: list[Path]) -> dict[str, bytes]:
        files = [file for out in outs for file in files_below(out)]
        return {file.relative_to(self.tree).as_posix(): file.read_bytes() for file in files}

    def _keep(self, result: Result) -> None:
        """Keep the result, unless another run has; that must be the same.

        Raises:
            IrreproducibleError: it is not.
        """
        if kept := self.shelf.result():
            check_same(self.job.stage, kept, result)
        else:
            self.shelf.keep_result(result)
        self.shelf.drop_checkpoints()  # last: killed before, the next run still has where to go on from

    def _fetch_checkpoints(self) -> None:
        for name, digest in self.shelf.checkpoints().items():
            path = self.tree / name
            if not path.exists() and path.resolve().is_relative_to(self.tree / CHECKPOINTS):
                self.shelf.fetch_checkpoint(digest, path)

    @contextmanager
    def _checkpoints_kept(self) -> Iterator[None]:
        """Keep checkpoints on the remote during the block, and at its end where it failed."""
        seen: dict[str, int] = {}

        def keep() -> None:
            files = {path.relative_to(self.tree).as_posix(): path for path in files_below(self.tree / CHECKPOINTS)}
            with suppress(StateError, OSError):  # the remote is away for a while, or the training has just ended
                times = {name: path.stat().st_mtime_ns for name, path in files.items()}
                if files and times != seen:
                    self.shelf.keep_checkpoints(files)
                    seen.clear()
                    seen.update(times)

        try:
            with _beside(keep, SECONDS_BETWEEN_CHECKPOINTS):
                yield
        except BaseException:
            keep()
            raise


def check_same(stage: str, one: Result, other: Result) -> None:
    """See that two results of the same key are the same.

    Raises:
        IrreproducibleError: they are not.
    """
    outs, found = one.outs, other.outs
    unlike = [path for path in sorted(outs | found) if outs.get(path) != found.get(path)]
    if unlike:
        where = f"made on {one.machine}, and on {other.machine}"
        fix = "the stage does not repeat: see docs/reproducibility.md"
        raise IrreproducibleError(stage, f"two runs from the same inputs differ in {', '.join(unlike)} ({where})", fix)


@contextmanager
def _beside(call: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call a function again and again in a thread during the block."""
    ended = threading.Event()

    def again() -> None:
        while not ended.wait(seconds):
            call()

    thread = threading.Thread(target=again, name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _timed(stage: str, did: str) -> Iterator[None]:
    """Say how long the block took."""
    began = time.monotonic()
    yield
    print(f"{stage}: {did} in {time.monotonic() - began:.1f} s", flush=True)


def _in_one_line(call: Callable[[], Any], what: str) -> None:
    """Each kind of remote has errors of its own."""
    from pipelines.compare.store import in_public

    try:
        call()
    except Exception as error:
        said = in_public(error.__cause__ if error.__cause__ and not str(error) else error)  # type: ignore[arg-type]
        raise StateError("DVC", f"cannot {what}: {said}", "see that the remote has it and can be reached") from error


def killed_by(said: str) -> str:
    """The signal that ended a stage's command, as DVC says it; nothing if it ended by itself.

    Args:
        said: DVC's error. A shell adds 128 to the number of the signal.

    Example:
        >>> killed_by("failed to run: python train.py, exited with -15"), killed_by("failed to run: x, exited with 137")
        ('SIGTERM', 'SIGKILL')
        >>> killed_by("failed to run: python train.py, exited with 1")
        ''
    """
    found = EXITED.search(said)
    number = abs(int(found[1])) % 128 if found and (int(found[1]) < 0 or int(found[1]) > 128) else 0
    return signal.Signals(number).name if number in ENDING else ""


def told(job: Job) -> ExitCode:
    """Run a stage, and end with LOST where another try may do."""
    try:
        perform(job)
    except LostError as error:
        print(f"error: {error}", flush=True)
        sys.exit(LOST)
    return ExitCode.GOOD


def main() -> ExitCode:
    """Run the stage of a file."""
    return told(Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    run_main(main)
