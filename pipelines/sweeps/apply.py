"""`sweep apply NAME POINT`: the working tree becomes what a point is, as by `dvc exp apply`.

DVC resets every file that git knows, the index, data of .dvc files and outputs of stages, without a word. So edits that
neither a point of the sweep nor DVC's cache holds are refused here, wherever they are, but those of the sweep's own
file: it stays as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.dvc.graph import open_repo
from pipelines.dvc.revision import Revision, changed_files, git
from pipelines.processes import Command, run
from pipelines.sweeps.record import experiment, named, record_of
from pipelines.sweeps.run import head_of
from pipelines.sweeps.spec import read_sweep
from pipelines.words import listed
from pixelproof.core.errors import StateError
from pixelproof.core.files import write_bytes


def apply(file: Path, name: str) -> None:
    """Make a point that is done the working tree; HEAD stays, so `git diff` shows what the point changed.

    Args:
        file: of the sweep.
        name: the point's; only its own settings must be those with which it ran.

    Raises:
        StateError: the point is not done, or edits would be lost.
    """
    sweep = read_sweep(file)
    point, head = sweep.point(name), head_of()
    done = named(sweep, head)
    if name not in done:
        fix = f"`bin/pixelproof sweep {sweep.name}` runs it; done: {', '.join(done) or 'none'}"
        raise StateError(f"sweep {sweep.name}, point {name}", f"not done on {head[:10]}", fix)
    record_of(sweep, point, done[name])
    commits = [found.commit for found in done.values()]
    reset = {path for commit in commits for path in _files("diff", "--name-only", "-z", head, commit)}
    reset |= {*_files("ls-tree", "-r", "--name-only", "-z", head), *_files("diff", "--cached", "--name-only", "-z")}
    edits = [path for path in changed_files() if path in reset and Path(path).resolve() != file.resolve()]
    if lost := [path for path in edits if not any(_holds(commit, path) for commit in commits)]:
        raise StateError(listed(lost), "has edits that would be lost", "commit them, or `git stash`")
    if lost := _edited_data():
        fix = "`dvc commit` keeps them, `dvc checkout` drops them"
        raise StateError(listed(lost), "has edits that would be lost", fix)
    with _kept(file):
        code, lines = run(Command([sys.executable, "-m", "dvc", "exp", "apply", experiment(sweep, point)]))
    if code:
        raise StateError(f"dvc exp apply {experiment(sweep, point)}", " ".join(lines[-3:]), "see what DVC says")
    print(f"the working tree is now {experiment(sweep, point)}; `git diff` shows it, `git commit` keeps it")


def _edited_data() -> list[str]:
    """What DVC tracks that is not as it says, in a state that is not in its cache."""
    with open_repo() as repo, repo.lock:  # without its lock DVC compares no data with what a .dvc file says
        outs = [out for stage in repo.index.stages for out in stage.outs if out.use_cache and out.exists]
        changed = [out for out in outs if out.changed_checksum()]
        return sorted(out.def_path for out in changed if not out.cache.exists(out.get_hash().value))


@contextmanager
def _kept(file: Path) -> Iterator[None]:
    """The file has the same content after the block."""
    content = file.read_bytes()
    try:
        yield
    finally:
        if not file.is_file() or file.read_bytes() != content:
            write_bytes(file, content)


def _files(*arguments: str) -> list[str]:
    """The files that a git command lists."""
    return [path for path in git(*arguments).decode().split("\0") if path]


def _holds(commit: str, path: str) -> bool:
    """Whether a commit has a file as it stands here, or lacks it as it is lacking here."""
    here = Path(path).read_bytes().decode(errors="replace") if Path(path).is_file() else None
    return Revision(commit, commit).read(path) == here
